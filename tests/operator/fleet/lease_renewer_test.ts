// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SILENT_LOGGER, SYSTEM_CLOCK } from "../../../lib/shared/base/mod.ts";
import { LEASE_NAMESPACE } from "../../../lib/operator/device/mod.ts";
import { LeaseRenewer } from "../../../lib/operator/fleet/lease_renewer.ts";
import { LEASE } from "../../../lib/operator/kube/mod.ts";
import { CountingApi } from "../_support/counting_api.ts";
import { until } from "../../../dev/base/wait.ts";

/** A fast renewer, and Leases that exist on the API server. */
async function createFixture(prefixes: string[], missing: string[] = []) {
  const api = await CountingApi.open();
  const renewer = new LeaseRenewer({
    client: api,
    clock: SYSTEM_CLOCK,
    log: SILENT_LOGGER,
    onMissing: (device) => void missing.push(device),
    intervalMs: 200,
    slotCount: 4,
  });
  const leases = prefixes.map((prefix) => ({
    namespace: LEASE_NAMESPACE,
    name: `${prefix}-${api.name}`,
  }));
  for (const ref of leases) await api.putObject(LEASE, { metadata: ref });
  return {
    renewer,
    names: leases.map(({ name }) => name),
    /** When each Lease was renewed last; "" when it never was. */
    readRenewTimes: () =>
      Promise.all(
        leases.map(async (ref) =>
          (await api.get(LEASE, ref)).spec?.renewTime ?? ""
        ),
      ),
    async [Symbol.asyncDispose]() {
      renewer[Symbol.dispose]();
      for (const ref of leases) await api.deleteObject(LEASE, ref);
      await api[Symbol.asyncDispose]();
    },
  };
}

/** Waits for the next renewal of the first Lease. */
async function untilRenewed(
  readRenewTimes: () => Promise<string[]>,
): Promise<void> {
  const [before] = await readRenewTimes();
  await until(
    async () => (await readRenewTimes())[0] !== before,
    "a renewal",
  );
}

Deno.test("start() renews the Leases of living devices only, each at its own time", async () => {
  await using fixture = await createFixture(["a", "b", "c"]);
  const { renewer, names: [a = "", b = "", c = ""], readRenewTimes } = fixture;
  let isAlive = true;
  renewer.start(a, () => true);
  renewer.start(b, () => isAlive);
  renewer.start(c, () => false);
  await until(async () => {
    const [first, second] = await readRenewTimes();
    return first !== "" && second !== "" && first !== second;
  }, "two renewals");
  assert.equal((await readRenewTimes())[2], "");
  isAlive = false;
  await untilRenewed(readRenewTimes);
  const [, last] = await readRenewTimes();
  await untilRenewed(readRenewTimes);
  assert.equal((await readRenewTimes())[1], last);
});

Deno.test("stop() ends a device's renewals", async () => {
  await using fixture = await createFixture(["a", "b"]);
  const { renewer, names: [a = "", b = ""], readRenewTimes } = fixture;
  renewer.start(a, () => true);
  renewer.start(b, () => true);
  renewer.stop(b);
  await untilRenewed(readRenewTimes);
  await untilRenewed(readRenewTimes);
  assert.equal((await readRenewTimes())[1], "");
});

Deno.test("start() reports a Lease that doesn't exist", async () => {
  const missing: string[] = [];
  await using fixture = await createFixture([], missing);
  fixture.renewer.start("unknown", () => true);
  await until(() => missing.length > 0, "the missing one");
  assert.equal(missing[0], "unknown");
});
