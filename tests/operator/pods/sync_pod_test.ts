// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { EVENT, POD } from "../../../lib/operator/kube/mod.ts";
import { create, PodStatusSchema } from "../../../lib/shared/wire/mod.ts";
import { openCluster } from "../../_support/mod.ts";
import { PodFixture } from "./_support/pod_fixture.ts";

Deno.test("PodSyncer", async (t) => {
  await using cluster = await openCluster();
  const step = (name: string, work: (fixture: PodFixture) => Promise<void>) =>
    t.step(name, async () => {
      const namespace = `ns-${crypto.randomUUID().slice(0, 8)}`;
      await using fixture = await PodFixture.start(cluster, namespace);
      await work(fixture);
    });

  await step(
    "removes a pod without an object, with the default grace period",
    async (fixture) => {
      const status = create(PodStatusSchema, {
        uid: "stale",
        namespace: fixture.namespace,
        name: "old",
        version: 1n,
      });
      fixture.device.statuses.set(status.uid, status);
      fixture.connect();
      await fixture.waitForCall("remove old");
      assert.deepEqual(fixture.device.graces, [30]);
      await fixture.controller.onPodsReported({
        $typeName: "aranya.v1.PodStatusList",
        pods: [{ ...status, terminated: true, version: 2n }],
      });
      await fixture.waitForCall("purge old");
    },
  );

  await step(
    "passes on a shorter grace period of a second deletion",
    async (fixture) => {
      fixture.connect();
      await fixture.createPod("slow");
      await fixture.waitForCall(`apply ${fixture.namespace}/slow`);
      fixture.device.report("slow");
      const ref = { namespace: fixture.namespace, name: "slow" };
      await fixture.client.delete(POD, ref, { gracePeriodSeconds: 60 });
      await fixture.until(() => fixture.device.graces.length === 1);
      await fixture.client.delete(POD, ref, { gracePeriodSeconds: 5 });
      await fixture.until(() => fixture.device.graces.length === 2);
      assert.deepEqual(fixture.device.graces, [60, 5]);
    },
  );

  await step(
    "deletes a pod that the device has lost while it was offline",
    async (fixture) => {
      fixture.connect();
      await fixture.createPod("lost");
      await fixture.waitForCall(`apply ${fixture.namespace}/lost`);
      fixture.device.report("lost");
      await fixture.until(async () =>
        (await fixture.pod("lost"))?.status?.podIP
      );
      fixture.controller.onDeviceOffline();
      await fixture.client.delete(POD, {
        namespace: fixture.namespace,
        name: "lost",
      });
      await fixture.until(() =>
        fixture.controller.directory.list({ running: false }).items[0]?.metadata
          .deletionTimestamp
      );
      fixture.device.statuses.clear();
      fixture.connect();
      await fixture.until(async () =>
        (await fixture.pod("lost")) === undefined
      );
    },
  );

  await step(
    "sends a pod again that the device has lost, and keeps its startTime",
    async (fixture) => {
      fixture.connect();
      await fixture.createPod("again");
      await fixture.waitForCall(`apply ${fixture.namespace}/again`);
      const before = (await fixture.pod("again"))?.status?.startTime;
      fixture.device.statuses.clear();
      fixture.connect();
      const applied = () =>
        fixture.device.calls.filter((call) => call.startsWith("apply"));
      await fixture.until(() => applied().length === 2);
      fixture.device.report("again");
      await fixture.until(async () =>
        (await fixture.pod("again"))?.status?.podIP
      );
      assert.equal((await fixture.pod("again"))?.status?.startTime, before);
    },
  );

  await step(
    "keeps exit codes in the last status of a pod with a finalizer",
    async (fixture) => {
      fixture.connect();
      await fixture.createPod("held", { restartPolicy: "Never" });
      const ref = { namespace: fixture.namespace, name: "held" };
      await fixture.client.patch(POD, ref, {
        body: { metadata: { finalizers: ["example.com/hold"] } },
      });
      await fixture.waitForCall(`apply ${fixture.namespace}/held`);
      fixture.device.report("held");
      await fixture.client.delete(POD, ref, { gracePeriodSeconds: 1 });
      await fixture.waitForCall("remove held");
      fixture.device.report("held", { exitCode: 3, terminated: true });
      const failed = await fixture.until(async () => {
        const pod = await fixture.pod("held");
        return pod?.status?.phase === "Failed" && pod;
      });
      assert.equal(
        failed.status?.containerStatuses?.[0]?.state?.terminated?.exitCode,
        3,
      );
      await fixture.client.patch(POD, ref, {
        body: { metadata: { finalizers: null } },
      });
      await fixture.until(async () =>
        (await fixture.pod("held")) === undefined
      );
      await fixture.waitForCall("purge held");
    },
  );

  await step(
    "records a warning once, however often the pod is synced",
    async (fixture) => {
      fixture.connect();
      await fixture.createPod("quiet", {
        volumes: [{ name: "v", configMap: { name: "none" } }],
      });
      await fixture.waitForCall(`apply ${fixture.namespace}/quiet`);
      for (let count = 0; count < 3; count++) {
        fixture.device.report("quiet");
        await fixture.controller.idle();
      }
      await fixture.events.flush();
      const { items } = await fixture.client.list(EVENT, {
        namespace: fixture.namespace,
      });
      const mounts = items.filter(({ reason }) => reason === "FailedMount");
      assert.deepEqual(mounts.map(({ count }) => count), [1]);
    },
  );
});
