// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { type EdgeDevice, SERVICE, type Service } from "../../lib/kube/mod.ts";
import { ownedMeta } from "../../lib/device/objects.ts";
import { all, Writer } from "../../lib/device/writer.ts";
import { MemoryApi } from "./memory_api.ts";

const EDGE: EdgeDevice = {
  metadata: { name: "edge-1", namespace: "home", uid: "u1" },
};
const WANTED: Service = { metadata: ownedMeta(EDGE, "edge-1"), spec: {} };
const signal = new AbortController().signal;

function given(): { api: MemoryApi; writer: Writer } {
  const api = new MemoryApi();
  const writer = new Writer(api);
  writer.begin(EDGE);
  return { api, writer };
}

function ensure(writer: Writer, stored?: Service): Promise<void> {
  return writer.ensure(SERVICE, WANTED, {
    stored,
    signal,
    patch: ({ spec }) =>
      spec?.type === "ClusterIP" ? undefined : { spec: { type: "ClusterIP" } },
  });
}

Deno.test("ensure() creates once, though the informer has not seen it", async () => {
  const { api, writer } = given();
  await ensure(writer);
  await ensure(writer);
  await ensure(writer);
  assert.deepEqual(api.countWrites(), {
    "create services": 1,
    "patch services": 1,
  });
});

Deno.test("ensure() notes a conflict for somebody else's object", async () => {
  const { api, writer } = given();
  api.put(SERVICE, { metadata: { namespace: "home", name: "edge-1" } });
  await ensure(writer);
  assert.deepEqual(api.countWrites(), { "create services": 1 });
  assert.equal(writer.conflicts[0]?.reason, "ServiceExists");
});

Deno.test("ensure() deletes what was made for a former EdgeDevice of the name, and makes it again", async () => {
  const { api, writer } = given();
  const former = api.put(SERVICE, {
    metadata: ownedMeta(
      { metadata: { ...EDGE.metadata, uid: "u0" } },
      "edge-1",
    ),
  });
  await ensure(writer, former);
  const found = await api.get(SERVICE, WANTED.metadata);
  assert.equal(found.metadata.ownerReferences?.[0]?.uid, "u1");
});

Deno.test("latest() gives the newer one, and the informer's once ours is forgotten", async () => {
  const { writer } = given();
  const at = (resourceVersion: string): Service => ({
    metadata: { name: "edge-1", uid: "s1", resourceVersion },
  });
  writer.note("Service", at("5"));
  assert.equal(
    writer.latest("Service", undefined)?.metadata.resourceVersion,
    "5",
  );
  assert.equal(
    writer.latest("Service", at("4"))?.metadata.resourceVersion,
    "5",
  );
  assert.equal(
    writer.latest("Service", at("6"))?.metadata.resourceVersion,
    "6",
  );
  writer.note("Service", at("7"));
  writer.forget("Service");
  assert.equal(writer.latest("Service", undefined), undefined);
  await Promise.resolve();
});

Deno.test("all() waits for every task and then throws the first failure", async () => {
  let done = false;
  const slow = new Promise<void>((resolve) => setTimeout(resolve, 5)).then(
    () => void (done = true),
  );
  await assert.rejects(
    all([Promise.reject(new Error("first")), slow]),
    /first/,
  );
  assert.equal(done, true);
});
