// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { abortable, SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import {
  EDGE_DEVICE,
  keyOf,
  NODE,
  SECRET,
} from "../../../lib/operator/kube/mod.ts";
import { FleetStores } from "../../../lib/operator/fleet/stores.ts";
import { CountingApi } from "../_support/counting_api.ts";
import { HOME, openShippedRights } from "../_support/shipped_rights.ts";

Deno.test("FleetStores holds this namespace's objects, and the devices' Nodes of every namespace", async () => {
  await using api = await CountingApi.open();
  const { namespace, name } = api;
  const other = `${namespace}-2`;
  await api.createNamespace(other);
  const ours = {
    "arhat.dev/role": "EdgeDevice",
    "arhat.dev/name": name,
    "arhat.dev/namespace": namespace,
  };
  for (const metadata of [{ name, namespace }, { name, namespace: other }]) {
    await api.putObject(EDGE_DEVICE, { metadata, spec: {} });
  }
  await api.putObject(SECRET, {
    metadata: { name: "a", namespace, labels: ours },
  });
  await api.putObject(SECRET, { metadata: { name: "b", namespace } });
  await api.putObject(NODE, { metadata: { name, labels: ours } });
  const theirs = { ...ours, "arhat.dev/namespace": other };
  await api.putObject(NODE, {
    metadata: { name: `${name}-2`, labels: theirs },
  });
  await api.putObject(NODE, { metadata: { name: `${name}-worker` } });
  await using stores = new FleetStores({
    client: api,
    namespace,
    tenantNamespaces: [],
    log: SILENT_LOGGER,
  });
  await stores.synced();
  const { edges, secrets, nodes } = stores.devices;
  const names = (objects: { metadata: { name: string } }[]) =>
    objects.map(({ metadata }) => metadata.name).sort();
  assert.deepEqual(edges.list().map(keyOf), [`${namespace}/${name}`]);
  assert.deepEqual(names(secrets.list()), ["a"]);
  const found = names(nodes.list()).filter((one) => one.startsWith(name));
  assert.deepEqual(found, [name, `${name}-2`]);
  await api.deleteObject(NODE, { name: `${name}-2` });
  await api.deleteObject(NODE, { name: `${name}-worker` });
  assert.equal(stores.sources.findSecret(namespace, "a"), undefined);
  assert.ok(stores.sources.findSecret(namespace, "b"));
});

Deno.test("FleetStores.synced() resolves although tenant namespaces are forbidden or absent", async () => {
  await using api = await openShippedRights();
  await api.createNamespace("forbidden");
  await using stores = new FleetStores({
    client: api.operator,
    namespace: HOME,
    tenantNamespaces: ["forbidden", "absent"],
    log: SILENT_LOGGER,
  });
  await abortable(stores.synced(), AbortSignal.timeout(60_000));
  assert.equal(stores.devices.edges.hasSynced, true);
});
