// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  AranyaError,
  type LogFields,
  SILENT_LOGGER,
  SYSTEM_CLOCK,
} from "../../../lib/shared/base/mod.ts";
import { LEASE_NAMESPACE } from "../../../lib/operator/device/mod.ts";
import { LeaseRenewer } from "../../../lib/operator/fleet/lease_renewer.ts";
import { LEASE } from "../../../lib/operator/kube/mod.ts";
import { CountingApi } from "../_support/counting_api.ts";
import { until } from "../../../dev/base/wait.ts";

/** A fast renewer, and Leases that exist on the API server. */
async function createFixture(
  prefixes: string[],
  { intervalMs = 200, slotCount = 4 } = {},
) {
  const api = await CountingApi.open();
  const leadership = { isSuspended: false };
  const lines: LogFields[] = [];
  const renewer = new LeaseRenewer({
    client: api,
    clock: SYSTEM_CLOCK,
    leadership,
    log: {
      ...SILENT_LOGGER,
      debug: (_message, fields = {}) => void lines.push(fields),
      warn: (_message, fields = {}) => void lines.push(fields),
    },
    intervalMs,
    slotCount,
  });
  const leases = prefixes.map((prefix) => ({
    namespace: LEASE_NAMESPACE,
    name: `${prefix}-${api.name}`,
  }));
  for (const ref of leases) await api.putObject(LEASE, { metadata: ref });
  return {
    api,
    renewer,
    leadership,
    /** Fields of the log's lines. */
    lines,
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
  const { api, renewer, names: [a = "", b = "", c = ""], readRenewTimes } =
    fixture;
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
  // One that is under way may still arrive; no other begins.
  api.takeWriteCounts();
  await untilRenewed(readRenewTimes);
  await untilRenewed(readRenewTimes);
  assert.deepEqual(
    new Set(api.writes.map(({ key }) => key)),
    new Set([
      `${LEASE_NAMESPACE}/${a}`,
    ]),
  );
});

Deno.test("start() renews a Lease as soon as its device is alive, long before its turn", async () => {
  await using fixture = await createFixture(["a", "b"], {
    intervalMs: 3_600_000,
    slotCount: 36_000,
  });
  const { api, renewer, names: [a = "", b = ""], readRenewTimes } = fixture;
  let isAlive = false;
  renewer.start(a, () => true);
  renewer.start(b, () => isAlive);
  await until(async () => (await readRenewTimes())[0] !== "", "a renewal");
  assert.equal((await readRenewTimes())[1], "");
  isAlive = true;
  await until(async () => (await readRenewTimes())[1] !== "", "the other one");
  // Then each waits for its turn.
  const startMs = performance.now();
  await until(() => performance.now() - startMs > 2500, "some seconds");
  assert.equal(api.takeWriteCounts()["patch leases"], 2);
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

Deno.test("start() tolerates a Lease that does not exist", async () => {
  // A renewal that takes longer than the interval fails otherwise.
  await using fixture = await createFixture([], {
    intervalMs: 60_000,
    slotCount: 1200,
  });
  fixture.renewer.start("unknown", () => true);
  await until(() => fixture.lines.length > 0, "the missing one");
  assert.deepEqual(fixture.lines[0], { device: "unknown" });
});

Deno.test("start() renews nothing while leadership is suspended, and all Leases at once afterwards", async () => {
  await using fixture = await createFixture(["a", "b"]);
  const { api, renewer, leadership, names, readRenewTimes } = fixture;
  leadership.isSuspended = true;
  for (const name of names) renewer.start(name, () => true);
  const startMs = performance.now();
  // Several turns of the wheel.
  await until(() => performance.now() - startMs > 1000, "a second");
  assert.deepEqual(api.takeWriteCounts()["patch leases"], undefined);
  leadership.isSuspended = false;
  await until(
    async () => (await readRenewTimes()).every((time) => time !== ""),
    "a renewal of each",
  );
});

Deno.test("start() writes one line for all renewals that fail, and repeats them", async () => {
  await using fixture = await createFixture(["a", "b", "c"]);
  const { api, renewer, lines, names, readRenewTimes } = fixture;
  const error = new AranyaError("unavailable", "Cannot patch: it is away");
  api.failures.set("patch leases", error);
  for (const name of names) renewer.start(name, () => true);
  const startMs = performance.now();
  await until(() => performance.now() - startMs > 2000, "two seconds");
  assert.equal(lines.length, 1);
  assert.equal(lines[0]?.error, error);
  api.failures.clear();
  await until(
    async () => (await readRenewTimes()).every((time) => time !== ""),
    "a renewal of each",
  );
});

Deno.test("start() repeats a failed renewal long before the next turn", async () => {
  await using fixture = await createFixture(["a"], {
    intervalMs: 3_600_000,
    slotCount: 36_000,
  });
  const { api, renewer, lines, names: [a = ""], readRenewTimes } = fixture;
  const error = new AranyaError("unavailable", "Cannot patch: it is away");
  api.failures.set("patch leases", error);
  renewer.start(a, () => true);
  await until(() => lines.length > 0, "a failure");
  api.failures.clear();
  await until(async () => (await readRenewTimes())[0] !== "", "a renewal");
});
