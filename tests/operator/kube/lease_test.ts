// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SILENT_LOGGER, toRfc3339Micro } from "../../../lib/shared/base/mod.ts";
import {
  createKubeClient,
  LEASE,
  waitForLeadership,
} from "../../../lib/operator/kube/mod.ts";
import { NAMESPACE } from "../_support/kinds.ts";
import { openCluster } from "../../_support/mod.ts";

const namespace = `test-${crypto.randomUUID().slice(0, 8)}`;

Deno.test("waitForLeadership()", async (t) => {
  await using cluster = await openCluster();
  await using client = await createKubeClient({
    kubeconfigFile: cluster.kubeconfig,
    log: SILENT_LOGGER,
  });
  await client.create(NAMESPACE, { metadata: { name: namespace } });
  const lead = (name: string, identity: string) =>
    waitForLeadership({
      client,
      namespace,
      name,
      identity,
      log: SILENT_LOGGER,
      leaseDurationMs: 2000,
      renewDeadlineMs: 1000,
      retryPeriodMs: 200,
      signal: AbortSignal.timeout(20_000),
    });

  await t.step(
    "resolves at once when the leader releases the Lease",
    async () => {
      const first = await lead("handover", "a");
      const startMs = performance.now();
      const waiting = lead("handover", "b");
      await new Promise((resolve) => setTimeout(resolve, 500));
      await first.release();
      await using second = await waiting;
      assert.ok(performance.now() - startMs < 2000);
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
      await using leader = await lead("stolen", "a");
      await client.patch(LEASE, { namespace, name: "stolen" }, {
        body: { spec: { holderIdentity: "thief", leaseDurationSeconds: 60 } },
      });
      await new Promise<void>((resolve) =>
        leader.lost.addEventListener("abort", () => resolve())
      );
      assert.match(String(leader.lost.reason), /it was lost/);
    },
  );
});
