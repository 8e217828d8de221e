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
import { SERVICE_ACCOUNT } from "../_support/kinds.ts";
import { Apiserver } from "../../_support/mod.ts";

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
    "creates, reads, patches, applies, replaces and deletes",
    async () => {
      const made = await client.create(CONFIG_MAP, {
        metadata: REF,
        data: { a: "1" },
      });
      assert.equal((await client.get(CONFIG_MAP, REF)).data?.a, "1");
      const patched = await client.patch(CONFIG_MAP, REF, {
        body: { data: { b: "2" } },
      });
      assert.deepEqual(patched.data, { a: "1", b: "2" });
      const listed = await client.patch(CONFIG_MAP, REF, {
        kind: "json",
        body: [{ op: "remove", path: "/data/a" }],
      });
      assert.deepEqual(listed.data, { b: "2" });
      const applied = await client.apply(CONFIG_MAP, {
        metadata: REF,
        data: { c: "3" },
      });
      assert.deepEqual(applied.data, { b: "2", c: "3" });
      await assert.rejects(
        client.replace(CONFIG_MAP, { ...made, data: {} }),
        mustCode("conflict", /^Cannot update configmaps "default\/one": /),
      );
      await assert.rejects(
        client.delete(CONFIG_MAP, REF, { uid: "another" }),
        mustCode("conflict", /UID/),
      );
      const { uid } = made.metadata;
      assert.equal(await client.delete(CONFIG_MAP, REF, { uid }), true);
      assert.equal(await client.delete(CONFIG_MAP, REF), false);
      assert.equal(await client.find(CONFIG_MAP, REF), undefined);
    },
  );

  await t.step("names verb, object and reason when it is refused", async () => {
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
    const kubeconfig = await apiserver.makeUser({ name: "nobody" });
    await using nobody = await open(kubeconfig);
    await assert.rejects(
      nobody.list(POD, { namespace: "default" }),
      mustCode(
        "forbidden",
        /cannot list resource "pods" in API group "" in the namespace "default"/,
      ),
    );
    await assert.rejects(
      nobody.apply(NODE, { metadata: { name: "n" } }),
      mustCode("forbidden", /^Cannot apply nodes "n": .*cannot patch resource/),
    );
  });

  await t.step("writes parts of objects", async () => {
    await client.create(NODE, { metadata: { name: "n1" } });
    const node = await client.patch(NODE, { name: "n1" }, {
      kind: "strategic",
      subresource: "status",
      body: { status: { conditions: [{ type: "Ready", status: "True" }] } },
    });
    assert.equal(node.status?.conditions?.[0]?.status, "True");
    await client.create(SERVICE_ACCOUNT, {
      metadata: { namespace: "default", name: "robot" },
    });
    assert.match((await client.version()).gitVersion, /^v1\.\d+\./);
  });

  await t.step("stops at its time and at its signal", async () => {
    await assert.rejects(
      client.list(POD, { signal: AbortSignal.abort() }),
      mustCode("cancelled", /^Cannot list pods in all namespaces/),
    );
  });

  await t.step(
    "says unavailable while there is no API server, and goes on afterwards",
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
      assert.ok(performance.now() - startMs < 5000);
      await apiserver.restart();
      assert.equal(
        (await client.get(NODE, { name: "n1" })).metadata.name,
        "n1",
      );
    },
  );
});
