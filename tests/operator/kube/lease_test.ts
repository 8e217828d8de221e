// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  type Logger,
  SILENT_LOGGER,
  toRfc3339Micro,
  whenAborted,
} from "../../../lib/shared/base/mod.ts";
import {
  createKubeClient,
  LEASE,
  waitForLeadership,
} from "../../../lib/operator/kube/mod.ts";
import { NAMESPACE } from "../_support/kinds.ts";
import { openCluster } from "../../_support/cluster.ts";

const namespace = `test-${crypto.randomUUID().slice(0, 8)}`;

Deno.test("waitForLeadership()", async (t) => {
  await using cluster = await openCluster();
  await using client = await createKubeClient({
    kubeconfigFile: cluster.kubeconfig,
    log: SILENT_LOGGER,
  });
  await client.create(NAMESPACE, { metadata: { name: namespace } });
  const lead = (name: string, identity: string, log: Logger = SILENT_LOGGER) =>
    waitForLeadership({
      client,
      namespace,
      name,
      identity,
      log,
      leaseDurationMs: 2000,
      renewDeadlineMs: 1000,
      retryPeriodMs: 200,
      signal: AbortSignal.timeout(20_000),
    });

  await t.step(
    "resolves at once when the leader releases the Lease",
    async () => {
      const first = await lead("handover", "a");
      const { promise: isWaiting, resolve } = Promise.withResolvers<void>();
      const waiting = lead("handover", "b", {
        ...SILENT_LOGGER,
        info: (message) => {
          if (message === "waiting for leadership") resolve();
        },
      });
      await isWaiting;
      const startMs = performance.now();
      await first.release();
      await using second = await waiting;
      assert.ok(performance.now() - startMs < 1500);
      assert.equal(second.lost.aborted, false);
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
      assert.ok(waitedMs >= 1900 && waitedMs < 6000, `${waitedMs}`);
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
