// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { type Logger, SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import {
  type CopiesObserver,
  NamespaceCopies,
} from "../../../lib/operator/pods/namespace_copies.ts";
import { CONFIG_MAP, SECRET } from "../../../lib/operator/kube/mod.ts";
import { until } from "../../../dev/base/wait.ts";
import { openShippedRights } from "../_support/shipped_rights.ts";

const OBSERVER: CopiesObserver = {
  onPodChanged() {},
  onRefChanged() {},
  onServiceChanged() {},
  onStateChanged() {},
};

Deno.test("NamespaceCopies is unreadable until the operator gets the rights, then ready for good; it keeps what pods need", async () => {
  await using cluster = await openShippedRights();
  const namespace = "tenant";
  await cluster.createNamespace(namespace);
  const lines: string[] = [];
  const log: Logger = {
    ...SILENT_LOGGER,
    warn: (message) => void lines.push(message),
    info: (message) => void lines.push(message),
    with: (fields) => fields.object === undefined ? log : SILENT_LOGGER,
  };
  const states: string[] = [];
  await using copies = new NamespaceCopies({
    client: cluster.operator,
    namespace,
    observer: {
      ...OBSERVER,
      onStateChanged: () => void states.push(copies.state.kind),
    },
    log,
  });
  assert.equal(copies.state.kind, "syncing");
  const wait = (what: string, condition: () => boolean) =>
    until(condition, { what, timeoutMs: 40_000, intervalMs: 20 });
  await wait("the refusal", () => copies.state.kind === "unreadable");
  await wait("the pods", () => copies.hasListedPods);
  await cluster.bindTenant(namespace);
  await wait("the lists", () => copies.state.kind === "ready");
  assert.deepEqual(lines, [
    "namespace can't be read, its pods are not run",
    "namespace can be read again",
  ]);
  assert.equal(states.at(-1), "ready");
  await cluster.unbindTenant(namespace);
  await using refused = new NamespaceCopies({
    client: cluster.operator,
    namespace,
    observer: OBSERVER,
    log: SILENT_LOGGER,
  });
  await wait("the refusal again", () => refused.state.kind === "unreadable");
  assert.equal(copies.state.kind, "ready");
  await cluster.admin.create(CONFIG_MAP, {
    metadata: { namespace, name: "cm", labels: { a: "b" } },
    data: { k: "v" },
  });
  await cluster.admin.create(SECRET, {
    metadata: { namespace, name: "release" },
    type: "helm.sh/release.v1",
    stringData: { release: "large" },
  });
  await using all = new NamespaceCopies({
    client: cluster.admin,
    namespace,
    observer: OBSERVER,
    log: SILENT_LOGGER,
  });
  await wait("the lists", () => all.state.kind === "ready");
  const configMap = all.configMaps.get("tenant/cm");
  assert.deepEqual(configMap?.data, { k: "v" });
  assert.equal(configMap?.metadata.labels, undefined);
  const release = all.secrets.get("tenant/release");
  assert.equal(release?.type, "helm.sh/release.v1");
  assert.equal(release?.data, undefined);
});
