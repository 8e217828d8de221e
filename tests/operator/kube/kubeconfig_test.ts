// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import {
  loadKubeconfig,
  loadServiceAccount,
} from "../../../lib/operator/kube/kubeconfig.ts";

/** Runs `work` with a new folder, and removes it afterwards. */
async function withFolder(
  work: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Only the first line of PEM is checked. */
function pem(text: string): string {
  return `-----BEGIN ${text}-----`;
}

const CONFIG = `
apiVersion: v1
kind: Config
current-context: one
contexts:
- {name: one, context: {cluster: c, user: cert, namespace: edge}}
- {name: two, context: {cluster: d, user: token}}
- {name: file, context: {cluster: c, user: file}}
- {name: basic, context: {cluster: c, user: basic}}
- {name: exec, context: {cluster: c, user: exec}}
- {name: plain, context: {cluster: plain, user: token}}
- {name: lost, context: {cluster: none, user: token}}
clusters:
- name: c
  cluster: {server: "https://10.0.0.1:6443/", certificate-authority: ca.pem, tls-server-name: api}
- {name: d, cluster: {server: "https://d", insecure-skip-tls-verify: true}}
- {name: plain, cluster: {server: "http://d"}}
users:
- {name: cert, user: {client-certificate-data: ${
  btoa(pem("CERT"))
}, client-key-data: ${btoa(pem("KEY"))}}}
- {name: token, user: {token: t0}}
- {name: file, user: {tokenFile: token}}
- {name: basic, user: {username: u, password: p}}
- {name: exec, user: {exec: {command: aws}}}
`;

Deno.test("loadKubeconfig() reads credentials, also from files relative to it", async () => {
  await withFolder(async (folder) => {
    const file = `${folder}/config`;
    await Deno.writeTextFile(file, CONFIG);
    await Deno.writeTextFile(`${folder}/ca.pem`, pem("CA"));
    assert.deepEqual(await loadKubeconfig({ file }), {
      server: "https://10.0.0.1:6443",
      ca: pem("CA"),
      cert: pem("CERT"),
      key: pem("KEY"),
      serverName: "api",
      insecure: false,
      namespace: "edge",
    });
    assert.deepEqual(await loadKubeconfig({ file, context: "two" }), {
      server: "https://d",
      authorization: "Bearer t0",
      insecure: true,
    });
    const { tokenFile } = await loadKubeconfig({ file, context: "file" });
    assert.equal(tokenFile, `${folder}/token`);
    const { authorization } = await loadKubeconfig({ file, context: "basic" });
    assert.equal(authorization, `Basic ${btoa("u:p")}`);
  });
});

Deno.test("loadKubeconfig() names file and entry when one is missing or invalid", async () => {
  await withFolder(async (folder) => {
    const file = `${folder}/config`;
    const mustFail = (context: string | undefined, pattern: RegExp) =>
      assert.rejects(loadKubeconfig({ file, context }), (error: unknown) => {
        assert.ok(error instanceof AranyaError);
        assert.equal(error.code, "invalid");
        assert.ok(
          error.message.startsWith(`Cannot read kubeconfig "${file}": `),
        );
        assert.match(error.message, pattern);
        return true;
      });
    await mustFail(undefined, /the file does not exist$/);
    await Deno.writeTextFile(file, "a: [");
    await mustFail(undefined, /Flow sequence/);
    await Deno.writeTextFile(file, "{}");
    await mustFail(undefined, /it has no current-context$/);
    await Deno.writeTextFile(file, CONFIG);
    await mustFail(
      "one",
      /certificate-authority "ca.pem": the file does not exist$/,
    );
    await Deno.writeTextFile(`${folder}/ca.pem`, "not PEM");
    await mustFail("one", /certificate-authority is not PEM$/);
    await Deno.writeTextFile(`${folder}/ca.pem`, pem("CA"));
    await mustFail("nine", /it has no context "nine"$/);
    await mustFail("lost", /it has no cluster "none"$/);
    await mustFail("exec", /its credential plugin failed/);
    await mustFail("plain", /"http:\/\/d", expected an https URL$/);
  });
});

Deno.test("loadKubeconfig() runs a credential plugin", async () => {
  await withFolder(async (folder) => {
    const credential = `${folder}/credential.json`;
    await Deno.writeTextFile(
      credential,
      JSON.stringify({
        apiVersion: "client.authentication.k8s.io/v1",
        kind: "ExecCredential",
        status: { token: "t9" },
      }),
    );
    const file = `${folder}/config`;
    await Deno.writeTextFile(
      file,
      CONFIG.replace(
        "{command: aws}",
        `{apiVersion: client.authentication.k8s.io/v1, command: cat, args: ["${credential}"], interactiveMode: Never}`,
      ),
    );
    await Deno.writeTextFile(`${folder}/ca.pem`, pem("CA"));
    const read = await loadKubeconfig({ file, context: "exec" });
    assert.equal(read.authorization, "Bearer t9");
    assert.equal(read.ca, pem("CA"));
  });
});

Deno.test("loadServiceAccount() reads the files of a pod's service account", async () => {
  await withFolder(async (dir) => {
    const server = "10.0.0.1:443";
    await assert.rejects(loadServiceAccount({ dir, server }), {
      code: "invalid",
    });
    await Deno.writeTextFile(`${dir}/token`, "t");
    await Deno.writeTextFile(`${dir}/ca.crt`, "CA");
    await Deno.writeTextFile(`${dir}/namespace`, "edge\n");
    assert.deepEqual(await loadServiceAccount({ dir, server }), {
      server: "https://10.0.0.1:443",
      ca: "CA",
      tokenFile: `${dir}/token`,
      insecure: false,
      namespace: "edge",
    });
  });
});
