// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SILENT_LOGGER } from "../../lib/base/mod.ts";
import { EDGE_DEVICE, NODE, SECRET } from "../../lib/kube/mod.ts";
import { createStores } from "../../lib/operator/stores.ts";
import { MemoryApi } from "../device/memory_api.ts";

const OURS = {
  "arhat.dev/role": "EdgeDevice",
  "arhat.dev/name": "edge-1",
  "arhat.dev/namespace": "home",
};

Deno.test("createStores() holds what is ours, and the devices' Nodes of every namespace", async () => {
  const api = new MemoryApi();
  const namespace = "home";
  api.put(EDGE_DEVICE, { metadata: { name: "edge-1", namespace } });
  api.put(EDGE_DEVICE, { metadata: { name: "edge-2", namespace: "other" } });
  api.put(SECRET, { metadata: { name: "a", namespace, labels: OURS } });
  api.put(SECRET, { metadata: { name: "b", namespace } });
  api.put(NODE, { metadata: { name: "edge-1", labels: OURS } });
  const theirs = { ...OURS, "arhat.dev/namespace": "other" };
  api.put(NODE, { metadata: { name: "edge-9", labels: theirs } });
  api.put(NODE, { metadata: { name: "worker" } });
  await using stores = createStores({
    client: api,
    namespace,
    tenantNamespaces: [],
    log: SILENT_LOGGER,
  });
  await stores.synced();
  const { edges, secrets, nodes } = stores.devices;
  const names = (objects: { metadata: { name: string } }[]) =>
    objects.map(({ metadata }) => metadata.name).sort();
  assert.deepEqual(names(edges.list()), ["edge-1"]);
  assert.deepEqual(names(secrets.list()), ["a"]);
  assert.deepEqual(names(nodes.list()), ["edge-1", "edge-9"]);
  assert.equal(stores.sources.secret(namespace, "a"), undefined);
  assert.ok(stores.sources.secret(namespace, "b"));
});
