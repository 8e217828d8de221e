// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { EVENT, POD } from "../../../lib/operator/kube/mod.ts";
import { create, PodStatusSchema } from "../../../lib/shared/wire/mod.ts";
import { openCluster } from "../../_support/mod.ts";
import { Stage } from "./_support/stage.ts";

Deno.test("PodSyncer", async (t) => {
  await using cluster = await openCluster();
  const step = (name: string, work: (stage: Stage) => Promise<void>) =>
    t.step(name, async () => {
      const namespace = `ns-${crypto.randomUUID().slice(0, 8)}`;
      await using stage = await Stage.start(cluster, namespace);
      await work(stage);
    });

  await step(
    "ends what the device has and nobody wants, with the default grace",
    async (s) => {
      const status = create(PodStatusSchema, {
        uid: "left-over",
        namespace: s.namespace,
        name: "old",
        version: 1n,
      });
      s.device.statuses.set(status.uid, status);
      s.connect();
      await s.called("remove old");
      assert.deepEqual(s.device.graces, [30]);
      await s.lane.onReport({
        $typeName: "aranya.v1.PodStatusList",
        pods: [{ ...status, terminated: true, version: 2n }],
      });
      await s.called("forget old");
    },
  );

  await step("takes the smaller grace of two deletions", async (s) => {
    s.connect();
    await s.createPod("slow");
    await s.called(`apply ${s.namespace}/slow`);
    s.device.report("slow");
    const ref = { namespace: s.namespace, name: "slow" };
    await s.client.delete(POD, ref, { gracePeriodSeconds: 60 });
    await s.until(() => s.device.graces.length === 1);
    await s.client.delete(POD, ref, { gracePeriodSeconds: 5 });
    await s.until(() => s.device.graces.length === 2);
    assert.deepEqual(s.device.graces, [60, 5]);
  });

  await step(
    "finishes a pod that the device lost while it was away",
    async (s) => {
      s.connect();
      await s.createPod("lost");
      await s.called(`apply ${s.namespace}/lost`);
      s.device.report("lost");
      await s.until(async () => (await s.pod("lost"))?.status?.podIP);
      s.lane.onDisconnected();
      await s.client.delete(POD, { namespace: s.namespace, name: "lost" });
      await s.until(() =>
        s.lane.directory.list({ running: false }).items[0]?.metadata
          .deletionTimestamp
      );
      s.device.statuses.clear();
      s.connect();
      await s.until(async () => (await s.pod("lost")) === undefined);
    },
  );

  await step(
    "sends a pod again that the device lost, and keeps its startTime",
    async (s) => {
      s.connect();
      await s.createPod("again");
      await s.called(`apply ${s.namespace}/again`);
      const before = (await s.pod("again"))?.status?.startTime;
      s.device.statuses.clear();
      s.connect();
      const applied = () =>
        s.device.calls.filter((call) => call.startsWith("apply"));
      await s.until(() => applied().length === 2);
      s.device.report("again");
      await s.until(async () => (await s.pod("again"))?.status?.podIP);
      assert.equal((await s.pod("again"))?.status?.startTime, before);
    },
  );

  await step(
    "keeps exit codes in the last status of a pod with a finalizer",
    async (s) => {
      s.connect();
      await s.createPod("held", { restartPolicy: "Never" });
      const ref = { namespace: s.namespace, name: "held" };
      await s.client.patch(POD, ref, {
        body: { metadata: { finalizers: ["example.com/hold"] } },
      });
      await s.called(`apply ${s.namespace}/held`);
      s.device.report("held");
      await s.client.delete(POD, ref, { gracePeriodSeconds: 1 });
      await s.called("remove held");
      s.device.report("held", { exitCode: 3, gone: true });
      const over = await s.until(async () => {
        const pod = await s.pod("held");
        return pod?.status?.phase === "Failed" && pod;
      });
      assert.equal(
        over.status?.containerStatuses?.[0]?.state?.terminated?.exitCode,
        3,
      );
      await s.client.patch(POD, ref, {
        body: { metadata: { finalizers: null } },
      });
      await s.until(async () => (await s.pod("held")) === undefined);
      await s.called("forget held");
    },
  );

  await step("tells a warning once, however often it looks", async (s) => {
    s.connect();
    await s.createPod("quiet", {
      volumes: [{ name: "v", configMap: { name: "none" } }],
    });
    await s.called(`apply ${s.namespace}/quiet`);
    for (let count = 0; count < 3; count++) {
      s.device.report("quiet");
      await s.lane.idle();
    }
    await s.events.flush();
    const { items } = await s.client.list(EVENT, { namespace: s.namespace });
    const mounts = items.filter(({ reason }) => reason === "FailedMount");
    assert.deepEqual(mounts.map(({ count }) => count), [1]);
  });
});
