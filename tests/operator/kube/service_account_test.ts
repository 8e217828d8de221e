// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { loadServiceAccount } from "../../../lib/operator/kube/service_account.ts";
import { withFolder } from "./_support/folder.ts";

Deno.test("loadServiceAccount() reads the files of a pod's service account", async () => {
  await withFolder(async (dir) => {
    const server = "10.0.0.1:443";
    await assert.rejects(loadServiceAccount({ dir, server }), {
      code: "invalid",
      message: /token": the file does not exist, expected a kubeconfig/,
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
