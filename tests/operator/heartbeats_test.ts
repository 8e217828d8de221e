// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SILENT_LOGGER, SYSTEM_CLOCK } from "../../lib/base/mod.ts";
import { LEASE } from "../../lib/kube/mod.ts";
import { createHeartbeats } from "../../lib/operator/heartbeats.ts";
import { MemoryApi } from "../device/memory_api.ts";
import { until } from "../device/stage.ts";

function given(missing: string[] = []) {
  const api = new MemoryApi();
  const heartbeats = createHeartbeats({
    client: api,
    clock: SYSTEM_CLOCK,
    log: SILENT_LOGGER,
    onMissing: (device) => void missing.push(device),
    intervalMs: 40,
    slotCount: 4,
  });
  for (const name of ["a", "b", "c"]) {
    api.put(LEASE, { metadata: { namespace: "kube-node-lease", name } });
  }
  return { api, heartbeats };
}

function renewed(api: MemoryApi): Set<string> {
  return new Set(api.writes.map(({ key }) => key.split("/")[1] ?? ""));
}

Deno.test("watch() renews the Leases of living devices only, each at its own time", async () => {
  const { api, heartbeats } = given();
  using _ = heartbeats;
  let alive = true;
  heartbeats.watch("a", () => true);
  heartbeats.watch("b", () => alive);
  heartbeats.watch("c", () => false);
  await until(() => renewed(api).size === 2, "two renewals");
  assert.deepEqual([...renewed(api)].sort(), ["a", "b"]);
  alive = false;
  api.countWrites();
  await until(() => api.writes.length >= 3, "more renewals of a");
  assert.deepEqual([...renewed(api)], ["a"]);
});

Deno.test("stop() ends a device's renewals", async () => {
  const { api, heartbeats } = given();
  using _ = heartbeats;
  heartbeats.watch("a", () => true);
  heartbeats.watch("b", () => true);
  heartbeats.stop("a");
  await until(() => api.writes.length >= 2, "renewals of b");
  assert.deepEqual([...renewed(api)], ["b"]);
});

Deno.test("watch() tells of a Lease that is gone", async () => {
  const missing: string[] = [];
  const { heartbeats } = given(missing);
  using _ = heartbeats;
  heartbeats.watch("nobody", () => true);
  await until(() => missing.length > 0, "the missing one");
  assert.equal(missing[0], "nobody");
});
