// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SILENT_LOGGER, SYSTEM_CLOCK } from "../../../lib/shared/base/mod.ts";
import { LEASE } from "../../../lib/operator/kube/mod.ts";
import { createHeartbeats } from "../../../lib/operator/fleet/heartbeats.ts";
import { CountingApi } from "../_support/counting_api.ts";
import { until } from "../_support/wait.ts";

const NAMESPACE = "kube-node-lease";

async function given(names: string[], missing: string[] = []) {
  const api = await CountingApi.open();
  const heartbeats = createHeartbeats({
    client: api,
    clock: SYSTEM_CLOCK,
    log: SILENT_LOGGER,
    onMissing: (device) => void missing.push(device),
    intervalMs: 200,
    slotCount: 4,
  });
  const leases = names.map((one) => ({
    namespace: NAMESPACE,
    name: `${one}-${api.name}`,
  }));
  for (const ref of leases) await api.putObject(LEASE, { metadata: ref });
  return {
    heartbeats,
    names: leases.map(({ name }) => name),
    /** When each Lease was renewed; "" when it never was. */
    renewals: () =>
      Promise.all(
        leases.map(async (ref) =>
          (await api.get(LEASE, ref)).spec?.renewTime ?? ""
        ),
      ),
    async [Symbol.asyncDispose]() {
      heartbeats[Symbol.dispose]();
      for (const ref of leases) await api.deleteObject(LEASE, ref);
      await api[Symbol.asyncDispose]();
    },
  };
}

Deno.test("watch() renews the Leases of living devices only, each at its own time", async () => {
  await using fixture = await given(["a", "b", "c"]);
  const { heartbeats, names: [a = "", b = "", c = ""], renewals } = fixture;
  let alive = true;
  heartbeats.watch(a, () => true);
  heartbeats.watch(b, () => alive);
  heartbeats.watch(c, () => false);
  await until(async () => {
    const [first, second] = await renewals();
    return first !== "" && second !== "" && first !== second;
  }, "two renewals");
  assert.equal((await renewals())[2], "");
  alive = false;
  await mustRenew(renewals);
  const [, last] = await renewals();
  await mustRenew(renewals);
  assert.equal((await renewals())[1], last);
});

Deno.test("stop() ends a device's renewals", async () => {
  await using fixture = await given(["a", "b"]);
  const { heartbeats, names: [a = "", b = ""], renewals } = fixture;
  heartbeats.watch(a, () => true);
  heartbeats.watch(b, () => true);
  heartbeats.stop(b);
  await mustRenew(renewals);
  await mustRenew(renewals);
  assert.equal((await renewals())[1], "");
});

Deno.test("watch() tells of a Lease that is gone", async () => {
  const missing: string[] = [];
  await using fixture = await given([], missing);
  fixture.heartbeats.watch("nobody", () => true);
  await until(() => missing.length > 0, "the missing one");
  assert.equal(missing[0], "nobody");
});

/** Waits until the first Lease is renewed anew. */
async function mustRenew(renewals: () => Promise<string[]>): Promise<void> {
  const [before] = await renewals();
  await until(async () => (await renewals())[0] !== before, "a renewal");
}
