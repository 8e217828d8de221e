// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError, SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import {
  CONFIG_MAP,
  createKubeClient,
  type KubeClient,
  NODE,
  POD,
} from "../../../lib/operator/kube/mod.ts";
import { Apiserver } from "../../../dev/world/mod.ts";

const REF = { namespace: "default", name: "one" };

function mustCode(code: string, pattern: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof AranyaError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, pattern);
    return true;
  };
}

Deno.test("createKubeClient()", async (t) => {
  await using apiserver = await Apiserver.start();
  const open = (kubeconfigFile: string) =>
    createKubeClient({ kubeconfigFile, log: SILENT_LOGGER });
  await using client: KubeClient = await open(apiserver.kubeconfig);

  await t.step(
    "creates, reads, patches, replaces and deletes objects",
    async () => {
      const created = await client.create(CONFIG_MAP, {
        metadata: REF,
        data: { a: "1" },
      });
      assert.equal((await client.get(CONFIG_MAP, REF)).data?.a, "1");
      const patched = await client.patch(CONFIG_MAP, REF, {
        body: { data: { b: "2" } },
      });
      assert.deepEqual(patched.data, { a: "1", b: "2" });
      await assert.rejects(
        client.replace(CONFIG_MAP, { ...created, data: {} }),
        mustCode("conflict", /^Cannot update configmaps "default\/one": /),
      );
      await assert.rejects(
        client.delete(CONFIG_MAP, REF, { uid: "another" }),
        mustCode("conflict", /UID/),
      );
      const { uid } = created.metadata;
      assert.equal(await client.delete(CONFIG_MAP, REF, { uid }), true);
      assert.equal(await client.delete(CONFIG_MAP, REF), false);
      assert.equal(await client.find(CONFIG_MAP, REF), undefined);
    },
  );

  await t.step(
    "names verb, object and reason when the API server refuses",
    async () => {
      await assert.rejects(
        client.get(CONFIG_MAP, REF),
        mustCode(
          "not_found",
          /^Cannot get configmaps "default\/one": .*not found/,
        ),
      );
      await client.create(CONFIG_MAP, { metadata: REF });
      await assert.rejects(
        client.create(CONFIG_MAP, { metadata: REF }),
        mustCode("already_exists", /^Cannot create configmaps "default\/one"/),
      );
      await assert.rejects(
        client.create(CONFIG_MAP, { metadata: { ...REF, name: "No_Name" } }),
        mustCode("invalid", /No_Name/),
      );
      const kubeconfig = await apiserver.makeUser({ name: "powerless" });
      await using powerless = await open(kubeconfig);
      await assert.rejects(
        powerless.list(POD, { namespace: "default" }),
        mustCode(
          "forbidden",
          /cannot list resource "pods" in API group "" in the namespace "default"/,
        ),
      );
      await assert.rejects(
        powerless.patch(NODE, { name: "n" }, { body: {} }),
        mustCode(
          "forbidden",
          /^Cannot patch nodes "n": .*cannot patch resource/,
        ),
      );
    },
  );

  await t.step(
    "patches the status subresource, and reads the version",
    async () => {
      await client.create(NODE, { metadata: { name: "n1" } });
      const node = await client.patch(NODE, { name: "n1" }, {
        kind: "strategic",
        subresource: "status",
        body: { status: { conditions: [{ type: "Ready", status: "True" }] } },
      });
      assert.equal(node.status?.conditions?.[0]?.status, "True");
      assert.match((await client.version()).gitVersion, /^v1\.\d+\./);
    },
  );

  await t.step("rejects as cancelled when the signal is aborted", async () => {
    await assert.rejects(
      client.list(POD, { signal: AbortSignal.abort() }),
      mustCode("cancelled", /^Cannot list pods in all namespaces/),
    );
  });

  await t.step(
    "rejects as unavailable while the API server is down, and recovers",
    async () => {
      await apiserver.crash();
      const startMs = performance.now();
      await assert.rejects(
        client.get(NODE, { name: "n1" }),
        mustCode(
          "unavailable",
          /^Cannot get nodes "n1": the API server can't be reached: /,
        ),
      );
      assert.ok(performance.now() - startMs < 20_000);
      await apiserver.restart();
      assert.equal(
        (await client.get(NODE, { name: "n1" })).metadata.name,
        "n1",
      );
    },
  );
});
