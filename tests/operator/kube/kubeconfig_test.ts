// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import { loadKubeconfig } from "../../../lib/operator/kube/kubeconfig.ts";
import { withFolder } from "./_support/folder.ts";

/** Only the first line of PEM is checked. */
function pem(text: string): string {
  return `-----BEGIN ${text}-----`;
}

const PLUGIN =
  `{apiVersion: client.authentication.k8s.io/v1, command: ./plugin, provideClusterInfo: true}`;

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
- {name: oidc, context: {cluster: c, user: oidc}}
- {name: as, context: {cluster: c, user: as}}
- {name: as-group, context: {cluster: c, user: as-group}}
- {name: proxied, context: {cluster: proxied, user: token}}
- {name: socks, context: {cluster: socks, user: token}}
- {name: plain, context: {cluster: plain, user: token}}
- {name: lost, context: {cluster: none, user: token}}
clusters:
- name: c
  cluster: {server: "https://10.0.0.1:6443/", certificate-authority: ca.pem, tls-server-name: api}
- {name: d, cluster: {server: "https://d", insecure-skip-tls-verify: true}}
- {name: proxied, cluster: {server: "https://d", proxy-url: "http://proxy:3128"}}
- {name: socks, cluster: {server: "https://d", proxy-url: "socks5://proxy:1080"}}
- {name: plain, cluster: {server: "http://d"}}
users:
- {name: cert, user: {client-certificate-data: ${
  btoa(pem("CERT"))
}, client-key-data: ${btoa(pem("KEY"))}}}
- {name: token, user: {token: t0}}
- {name: file, user: {tokenFile: token}}
- {name: basic, user: {username: u, password: p}}
- {name: exec, user: {exec: ${PLUGIN}}}
- {name: oidc, user: {auth-provider: {name: oidc}}}
- {name: as, user: {token: t0, as: alice, as-uid: "7", as-groups: [dev, ops], as-user-extra: {"example.org/Team": [a, b]}}}
- {name: as-group, user: {token: t0, as-groups: [dev]}}
`;

Deno.test("loadKubeconfig() reads credentials, also from files relative to it", async () => {
  await withFolder(async (folder) => {
    const file = `${folder}/config`;
    const load = (context?: string) =>
      loadKubeconfig({ files: [file], context });
    await Deno.writeTextFile(file, CONFIG);
    await Deno.writeTextFile(`${folder}/ca.pem`, pem("CA"));
    assert.deepEqual(await load(), {
      server: "https://10.0.0.1:6443",
      ca: pem("CA"),
      cert: pem("CERT"),
      key: pem("KEY"),
      serverName: "api",
      insecure: false,
      namespace: "edge",
    });
    assert.deepEqual(await load("two"), {
      server: "https://d",
      authorization: "Bearer t0",
      insecure: true,
    });
    assert.equal((await load("file")).tokenFile, `${folder}/token`);
    assert.equal((await load("basic")).authorization, `Basic ${btoa("u:p")}`);
    assert.equal((await load("proxied")).proxy, "http://proxy:3128");
  });
});

Deno.test("loadKubeconfig() reads whom the user impersonates", async () => {
  await withFolder(async (folder) => {
    const file = `${folder}/config`;
    await Deno.writeTextFile(file, CONFIG);
    await Deno.writeTextFile(`${folder}/ca.pem`, pem("CA"));
    const { headers } = await loadKubeconfig({ files: [file], context: "as" });
    assert.deepEqual(headers, {
      "impersonate-user": "alice",
      "impersonate-uid": "7",
      "impersonate-group": ["dev", "ops"],
      "impersonate-extra-example.org%2fteam": ["a", "b"],
    });
  });
});

Deno.test("loadKubeconfig() names file and entry when one is missing or invalid", async () => {
  await withFolder(async (folder) => {
    const file = `${folder}/config`;
    const mustFail = (context: string | undefined, pattern: RegExp) =>
      assert.rejects(
        loadKubeconfig({ files: [file], context }),
        (error: unknown) => {
          assert.ok(error instanceof AranyaError);
          assert.equal(error.code, "invalid");
          assert.ok(
            error.message.startsWith(`Cannot read kubeconfig "${file}": `),
          );
          assert.match(error.message, pattern);
          return true;
        },
      );
    await mustFail(undefined, /the file does not exist$/);
    await Deno.writeTextFile(file, "a: [");
    await mustFail(undefined, /Flow sequence/);
    await Deno.writeTextFile(file, "{}");
    await mustFail(undefined, /it has no current-context$/);
    await Deno.writeTextFile(file, CONFIG);
    await mustFail(
      "one",
      /cluster "c": certificate-authority "ca.pem": the file does not exist$/,
    );
    await Deno.writeTextFile(`${folder}/ca.pem`, "not PEM");
    await mustFail("one", /certificate-authority is not PEM$/);
    await Deno.writeTextFile(`${folder}/ca.pem`, pem("CA"));
    await mustFail("nine", /it has no context "nine"$/);
    await mustFail("lost", /it has no cluster "none"$/);
    await mustFail("exec", /user "exec": program ".*plugin" does not exist$/);
    await mustFail("oidc", /user "oidc": .* not supported, expected exec$/);
    await mustFail("as-group", /user "as-group": .*, expected also as$/);
    await mustFail("socks", /"socks5:.*", expected an http or https URL$/);
    await mustFail("plain", /"http:\/\/d", expected an https URL$/);
  });
});

Deno.test("loadKubeconfig() merges several files as kubectl does", async () => {
  await withFolder(async (folder) => {
    const [first, second, missing] = ["first", "sub/second", "missing"].map(
      (name) => `${folder}/${name}`,
    ) as [string, string, string];
    await Deno.mkdir(`${folder}/sub`);
    await Deno.writeTextFile(
      first,
      `{users: [{name: token, user: {token: of-first}}]}`,
    );
    await Deno.writeTextFile(second, CONFIG);
    await Deno.writeTextFile(`${folder}/sub/ca.pem`, pem("CA"));
    const files = [missing, first, second];
    const one = await loadKubeconfig({ files });
    assert.equal(one.namespace, "edge");
    assert.equal(one.ca, pem("CA"));
    const two = await loadKubeconfig({ files, context: "two" });
    assert.equal(two.authorization, "Bearer of-first");
    await assert.rejects(loadKubeconfig({ files: [missing, missing] }), {
      code: "invalid",
      message: /none of these files exists$/,
    });
  });
});

Deno.test("loadKubeconfig() runs a credential plugin with what the cluster is", async () => {
  await withFolder(async (folder) => {
    const file = `${folder}/config`;
    await Deno.writeTextFile(file, CONFIG);
    await Deno.writeTextFile(`${folder}/ca.pem`, pem("CA"));
    await Deno.writeTextFile(
      `${folder}/plugin`,
      `#!/bin/sh
server=$(echo "$KUBERNETES_EXEC_INFO" | sed 's/.*"server":"\\([^"]*\\)".*/\\1/')
echo '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "'$server'"}}'
`,
      { mode: 0o700 },
    );
    const read = await loadKubeconfig({ files: [file], context: "exec" });
    assert.equal(read.authorization, "Bearer https://10.0.0.1:6443");
    assert.equal(read.ca, pem("CA"));
  });
});
