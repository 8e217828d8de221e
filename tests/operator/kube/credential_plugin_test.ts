// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  type CredentialPluginOptions,
  runCredentialPlugin,
} from "../../../lib/operator/kube/credential_plugin.ts";

const API_VERSION = "client.authentication.k8s.io/v1";

/** Runs a shell script as the plugin. */
function run(script: string, options: Partial<CredentialPluginOptions> = {}) {
  return runCredentialPlugin({
    command: "sh",
    args: ["-c", script],
    env: {},
    apiVersion: API_VERSION,
    ...options,
  });
}

function print(status: object, apiVersion = API_VERSION): string {
  const credential = { apiVersion, kind: "ExecCredential", status };
  return `echo '${JSON.stringify(credential)}'`;
}

Deno.test("runCredentialPlugin() reads a token with its expiry, or a client certificate", async () => {
  const expirationTimestamp = "2030-01-02T03:04:05Z";
  assert.deepEqual(await run(print({ token: "t1", expirationTimestamp })), {
    authorization: "Bearer t1",
    expiresMs: Date.UTC(2030, 0, 2, 3, 4, 5),
  });
  const pair = { clientCertificateData: "CERT", clientKeyData: "KEY" };
  assert.deepEqual(await run(print(pair)), { cert: "CERT", key: "KEY" });
});

Deno.test("runCredentialPlugin() passes environment and ExecCredential to the program", async () => {
  const script = `
case "$KUBERNETES_EXEC_INFO" in *'"interactive":false'*'"server":"https://x"'*) ;; *) exit 9 ;; esac
${print({ token: "'$PROFILE'" })}`;
  const { authorization } = await run(script, {
    env: { PROFILE: "edge" },
    cluster: { server: "https://x" },
  });
  assert.equal(authorization, "Bearer edge");
});

Deno.test("runCredentialPlugin() reports what is wrong with the program", async () => {
  const cases: [() => Promise<unknown>, RegExp][] = [
    [
      () => run("echo no profile >&2; exit 3"),
      /^program "sh" exited with 3: no profile$/,
    ],
    [
      () => run("echo hello"),
      /^program "sh" printed something else than JSON$/,
    ],
    [
      () => run(print({ token: "t" }, "v9")),
      /printed "ExecCredential" of "v9", expected/,
    ],
    [() => run(print({})), /printed no credential, expected a token or/],
    [
      () => run("", { apiVersion: "client.authentication.k8s.io/v1alpha1" }),
      /expected client/,
    ],
    [() => run("", { isInteractive: true }), /expected Never$/],
    [
      () => run("", { command: "no-such-plugin", installHint: "Install it." }),
      /^program "no-such-plugin" does not exist: Install it\.$/,
    ],
  ];
  for (const [start, pattern] of cases) {
    await assert.rejects(start(), { code: "invalid", message: pattern });
  }
  await assert.rejects(run("exec sleep 60", { timeoutMs: 200 }), {
    code: "invalid",
    message: /did not end within 200 ms$/,
  });
});

Deno.test({
  name:
    "runCredentialPlugin() names the flag when the process may not run programs",
  permissions: { run: false },
  fn: async () => {
    await assert.rejects(run("", { command: "aws" }), {
      code: "invalid",
      message:
        /^program "aws" may not be run by this process, expected the flag --allow-run=aws$/,
    });
  },
});
