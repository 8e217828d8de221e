// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import {
  loadAccount,
  loadKubeconfig,
} from "../../../lib/operator/kube/kubeconfig.ts";

/** A folder that is gone at the end. */
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

/** Looks like PEM, and that is all that is looked at. */
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

Deno.test("loadKubeconfig() reads certificates, tokens and files beside it", async () => {
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

Deno.test("loadKubeconfig() says what is wrong with the file", async () => {
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
    await mustFail(undefined, /it isn't there$/);
    await Deno.writeTextFile(file, "a: [");
    await mustFail(undefined, /Flow sequence/);
    await Deno.writeTextFile(file, "{}");
    await mustFail(undefined, /it names no current context$/);
    await Deno.writeTextFile(file, CONFIG);
    await mustFail("one", /certificate-authority "ca.pem": it isn't there$/);
    await Deno.writeTextFile(`${folder}/ca.pem`, "no PEM");
    await mustFail("one", /certificate-authority is no PEM$/);
    await Deno.writeTextFile(`${folder}/ca.pem`, pem("CA"));
    await mustFail("nine", /it has no context "nine"$/);
    await mustFail("lost", /it has no cluster "none"$/);
    await mustFail("exec", /credentials can't be had/);
    await mustFail("plain", /"http:\/\/d", expected an https URL$/);
  });
});

Deno.test("loadKubeconfig() asks a credential program", async () => {
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

Deno.test("loadAccount() reads the files of a pod's account", async () => {
  await withFolder(async (dir) => {
    const server = "10.0.0.1:443";
    await assert.rejects(loadAccount({ dir, server }), { code: "invalid" });
    await Deno.writeTextFile(`${dir}/token`, "t");
    await Deno.writeTextFile(`${dir}/ca.crt`, "CA");
    await Deno.writeTextFile(`${dir}/namespace`, "edge\n");
    assert.deepEqual(await loadAccount({ dir, server }), {
      server: "https://10.0.0.1:443",
      ca: "CA",
      tokenFile: `${dir}/token`,
      insecure: false,
      namespace: "edge",
    });
  });
});
