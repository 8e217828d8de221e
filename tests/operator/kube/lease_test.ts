// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  type LogFields,
  SILENT_LOGGER,
  toRfc3339Micro,
  whenAborted,
} from "../../../lib/shared/base/mod.ts";
import {
  createKubeClient,
  type LeaderElectionOptions,
  type Leadership,
  LEASE,
  type LeaseHolder,
  waitForLeadership,
} from "../../../lib/operator/kube/mod.ts";
import { NAMESPACE } from "../_support/kinds.ts";
import { openCluster } from "../../_support/cluster.ts";
import { VirtualClock } from "../../shared/session/_support/virtual_clock.ts";
import { until } from "../../../dev/base/wait.ts";
import { createScriptedClient } from "./_support/scripted_client.ts";
import { ScriptedServer } from "./_support/scripted_server.ts";
import {
  LeaseApi,
  type LeaseClient,
  type Outage,
} from "./_support/lease_api.ts";

const namespace = `test-${crypto.randomUUID().slice(0, 8)}`;

Deno.test("waitForLeadership()", async (t) => {
  await using cluster = await openCluster();
  await using client = await createKubeClient({
    kubeconfigFile: cluster.kubeconfig,
    log: SILENT_LOGGER,
  });
  await client.create(NAMESPACE, { metadata: { name: namespace } });
  const lead = (
    name: string,
    identity: string,
    options: Partial<LeaderElectionOptions> = {},
  ) =>
    waitForLeadership({
      client,
      namespace,
      name,
      identity,
      log: SILENT_LOGGER,
      leaseDurationMs: 2000,
      renewDeadlineMs: 1000,
      retryPeriodMs: 200,
      signal: AbortSignal.timeout(100_000),
      ...options,
    });

  await t.step(
    "resolves at once when the leader releases the Lease",
    async () => {
      // Otherwise it would take longer than the time-out.
      const durations = { leaseDurationMs: 120_000, renewDeadlineMs: 100_000 };
      const first = await lead("handover", "a", durations);
      const { promise: isWaiting, resolve } = Promise.withResolvers<void>();
      let acquired: LogFields | undefined;
      const waiting = lead("handover", "b", {
        ...durations,
        log: {
          ...SILENT_LOGGER,
          info: (message, fields) => {
            if (message === "waiting for leadership") resolve();
            if (message === "leadership acquired") acquired = fields;
          },
        },
      });
      await isWaiting;
      await first.release();
      await using second = await waiting;
      assert.equal(second.lost.aborted, false);
      assert.deepEqual(acquired, { object: "handover", identity: "b" });
      const lease = await client.get(LEASE, { namespace, name: "handover" });
      assert.equal(lease.spec?.holderIdentity, "b");
      assert.equal(lease.spec?.leaseTransitions, 1);
    },
  );

  await t.step(
    "resolves after the lease duration when the holder does not renew",
    async () => {
      await client.create(LEASE, {
        metadata: { namespace, name: "silent" },
        spec: {
          holderIdentity: "dead",
          leaseDurationSeconds: 2,
          renewTime: toRfc3339Micro(0),
        },
      });
      const startMs = performance.now();
      await using _leader = await lead("silent", "b");
      const waitedMs = performance.now() - startMs;
      assert.ok(waitedMs >= 1900 && waitedMs < 30_000, `${waitedMs}`);
    },
  );

  await t.step(
    "aborts `lost` when another process has taken the Lease",
    async () => {
      await using leader = await lead("taken", "a");
      await client.patch(LEASE, { namespace, name: "taken" }, {
        body: { spec: { holderIdentity: "another", leaseDurationSeconds: 60 } },
      });
      await whenAborted(leader.lost);
      assert.match(String(leader.lost.reason), /it was lost/);
    },
  );
});

/** Leader election on a virtual clock, with the durations that the operator uses. */
class Election {
  readonly clock = new VirtualClock();
  readonly api = new LeaseApi(this.clock);
  readonly #stop = new AbortController();

  /** Waits for leadership; the clock must be driven. */
  start(
    client: LeaseClient,
    identity: string,
    options: Pick<LeaderElectionOptions, "onHolder"> = {},
  ): Promise<Leadership> {
    return waitForLeadership({
      ...options,
      client,
      namespace: "edge",
      name: "leader",
      identity,
      log: SILENT_LOGGER,
      clock: this.clock,
      signal: this.#stop.signal,
    });
  }

  lead(client: LeaseClient, identity: string): Promise<Leadership> {
    return this.clock.run(this.start(client, identity));
  }

  /** Returns after how many milliseconds `check` is true; looks every 100 ms. */
  async measure(check: () => boolean, limitMs: number): Promise<number> {
    const startMs = this.clock.monotonicMs();
    while (!check()) {
      const elapsedMs = this.clock.monotonicMs() - startMs;
      assert.ok(elapsedMs < limitMs, `not true after ${elapsedMs} ms`);
      await this.clock.pass(100);
    }
    return this.clock.monotonicMs() - startMs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.clock.pass(1);
  }
}

for (
  const outage of ["unavailable", "hang", "forbidden", "internal"] as Outage[]
) {
  Deno.test(`Leadership is suspended before its Lease lapses when renewals fail with "${outage}"`, async () => {
    await using election = new Election();
    const client = election.api.connect();
    await using leader = await election.lead(client, "a");
    await election.clock.pass(10_000);
    client.outage = outage;
    const changes: boolean[] = [];
    leader.onSuspensionChange((isSuspended) => changes.push(isSuspended));
    let second: Leadership | undefined;
    const waiting = election.start(election.api.connect(), "b").then(
      (leadership) => second = leadership,
    );
    const suspendedMs = await election.measure(
      () => leader.isSuspended,
      20_000,
    );
    assert.ok(suspendedMs <= 5_000, `suspended after ${suspendedMs} ms`);
    assert.equal(second, undefined);
    assert.deepEqual(changes, [true]);
    const takenMs = await election.measure(() => second !== undefined, 20_000);
    assert.ok(takenMs >= 900, `taken ${takenMs} ms after the suspension`);
    assert.ok(suspendedMs + takenMs <= 11_000, `${suspendedMs + takenMs}`);
    await using _other = await waiting;
    client.outage = undefined;
    await election.measure(() => leader.lost.aborted, 5_000);
    assert.equal(leader.isSuspended, true);
  });
}

Deno.test("Leadership stays suspended in an outage of ten minutes and resumes within 2 s of its end", async () => {
  await using election = new Election();
  const client = election.api.connect();
  await using leader = await election.lead(client, "a");
  const changes: boolean[] = [];
  leader.onSuspensionChange((isSuspended) => changes.push(isSuspended));
  client.outage = "unavailable";
  await election.clock.pass(600_000);
  assert.equal(leader.isSuspended, true);
  assert.equal(leader.lost.aborted, false);
  client.outage = undefined;
  const resumedMs = await election.measure(() => !leader.isSuspended, 10_000);
  assert.ok(resumedMs <= 2_000, `resumed after ${resumedMs} ms`);
  assert.deepEqual(changes, [true, false]);
  assert.equal(leader.lost.aborted, false);
});

Deno.test("Leadership.isSuspended is true when timers are late", async () => {
  await using election = new Election();
  await using leader = await election.lead(election.api.connect(), "a");
  assert.equal(leader.isSuspended, false);
  // Nothing else runs in this time, as after a pause of the process.
  election.clock.jump(6_000);
  assert.equal(leader.isSuspended, true);
});

Deno.test("Leadership is lost when another process led during the suspension and released the Lease", async () => {
  await using election = new Election();
  const client = election.api.connect();
  await using leader = await election.lead(client, "a");
  client.outage = "unavailable";
  const second = await election.lead(election.api.connect(), "b");
  await election.clock.run(second.release());
  client.outage = undefined;
  await election.measure(() => leader.lost.aborted, 5_000);
});

Deno.test("Leadership continues when another client deletes or annotates the Lease", async () => {
  await using election = new Election();
  await using leader = await election.lead(election.api.connect(), "a");
  const lease = election.api.read("leader");
  assert.ok(lease);
  election.api.write({
    ...lease,
    metadata: { ...lease.metadata, annotations: { a: "b" } },
  });
  await election.clock.pass(10_000);
  election.api.remove("leader");
  await election.clock.pass(10_000);
  assert.equal(leader.isSuspended, false);
  assert.equal(leader.lost.aborted, false);
  assert.equal(election.api.read("leader")?.spec?.holderIdentity, "a");
});

Deno.test("waitForLeadership() does not count the time in which the API server did not answer", async () => {
  await using election = new Election();
  const clients = [election.api.connect(), election.api.connect()];
  const [client, other] = clients as [LeaseClient, LeaseClient];
  await using leader = await election.lead(client, "a");
  let second: Leadership | undefined;
  const waiting = election.start(other, "b").then((leadership) =>
    second = leadership
  );
  await election.clock.pass(10_000);
  for (const each of clients) each.outage = "unavailable";
  await election.clock.pass(60_000);
  other.outage = undefined;
  // The leader's connection is back a little later.
  await election.clock.pass(3_000);
  client.outage = undefined;
  await election.clock.pass(20_000);
  assert.equal(leader.lost.aborted, false);
  assert.equal(leader.isSuspended, false);
  assert.equal(second, undefined);
  await election.clock.run(leader.release());
  await using _next = await election.clock.run(waiting);
});

Deno.test("waitForLeadership() reports when the holder's Lease expires", async () => {
  await using election = new Election();
  const client = election.api.connect();
  await using _leader = await election.lead(client, "a");
  const holders: LeaseHolder[] = [];
  const waiting = election.start(election.api.connect(), "b", {
    onHolder: (holder) => holders.push(holder),
  });
  await election.clock.pass(20_000);
  assert.ok(holders.length > 10);
  assert.ok(holders.every(({ identity }) => identity === "a"));
  assert.ok(holders.every(({ expiresInMs }) => expiresInMs >= 6000));
  holders.splice(0);
  client.outage = "unavailable";
  await using _second = await election.clock.run(waiting);
  const expiriesMs = holders.map(({ expiresInMs }) => expiresInMs);
  assert.deepEqual(expiriesMs.slice(-3), [3000, 2000, 1000]);
});

Deno.test("waitForLeadership() acquires and renews while the renewal of other Leases hangs", async () => {
  await using server = await ScriptedServer.start();
  let renewalCount = 0;
  server.script = ({ method, url }, response) => {
    // The heartbeats of devices get no answer.
    if (method === "PATCH") return;
    if (method === "PUT") renewalCount++;
    const holderIdentity = url?.includes("fieldManager") ? "a" : "";
    response.end(JSON.stringify({
      metadata: { name: "leader", resourceVersion: "1" },
      spec: { holderIdentity },
    }));
  };
  await using client = await createScriptedClient(server);
  const stop = new AbortController();
  const heartbeats = Array.from(
    { length: 16 },
    (_, index) =>
      client.patch(LEASE, { namespace: "kube-node-lease", name: `${index}` }, {
        body: {},
        signal: stop.signal,
      }).catch(() => {}),
  );
  await using leader = await waitForLeadership({
    client,
    namespace: "edge",
    name: "leader",
    identity: "a",
    log: SILENT_LOGGER,
    retryPeriodMs: 100,
    signal: AbortSignal.timeout(10_000),
  });
  await until(() => renewalCount > 3, "renewals");
  assert.equal(leader.isSuspended, false);
  stop.abort();
  await Promise.all(heartbeats);
});
