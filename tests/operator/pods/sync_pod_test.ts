// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import { EVENT, POD, type Pod } from "../../../lib/operator/kube/mod.ts";
import {
  create,
  Method,
  PodStatusListSchema,
  PodStatusSchema,
} from "../../../lib/shared/wire/mod.ts";
import { openCluster } from "../../_support/cluster.ts";
import {
  type Failures,
  OfflineSyncer,
  SIGNAL,
} from "./_support/offline_syncer.ts";
import {
  OWN_VIRTUAL_POD_UID,
  PodFixture,
  TEST_NODE,
} from "./_support/pod_fixture.ts";
import { REFERRING_POD } from "./_support/translation_inputs.ts";

/** Returns the restart counts that were written, in order. */
function restartCountsOf(patches: readonly unknown[]): (number | undefined)[] {
  return patches.map((body) =>
    (body as { status: Pod["status"] }).status?.containerStatuses?.[0]
      ?.restartCount
  );
}

Deno.test("PodSyncer.sync() does not translate the pod again for a status report", async () => {
  const { inputs, patches, requests, syncer, report } = new OfflineSyncer();
  await syncer.sync("ns/web", SIGNAL);
  assert.deepEqual(requests, [Method.APPLY_POD]);
  assert.equal(patches.length, 1);
  for (const restartCount of [1, 2, 3]) await report(restartCount);
  assert.equal(patches.length, 4);
  assert.deepEqual(requests, [Method.APPLY_POD]);
  assert.equal(inputs.translationCount, 1);
});

Deno.test("PodSyncer.sync() sends the pod again when its ConfigMap changes between two reports", async () => {
  const { inputs, requests, syncer, report } = new OfflineSyncer();
  await syncer.sync("ns/web", SIGNAL);
  await report(1);
  inputs.configMaps.set("ns/cm", {
    metadata: { namespace: "ns", name: "cm" },
    data: { a: "2" },
  });
  await report(2);
  assert.deepEqual(requests, [Method.APPLY_POD, Method.APPLY_POD]);
  assert.equal(inputs.translationCount, 2);
  await report(3);
  assert.equal(inputs.translationCount, 2);
});

Deno.test("PodSyncer.sync() writes the device's report when a token, the command or the removal fails", async () => {
  const failures: Failures = {};
  const { inputs, stored, patches, syncer, report } = new OfflineSyncer(
    failures,
  );
  await syncer.sync("ns/web", SIGNAL);
  patches.length = 0;
  failures.token = new AranyaError("forbidden", "Cannot create token: no");
  await assert.rejects(report(1), failures.token);
  failures.token = undefined;
  failures.apply = new AranyaError("too_large", "Cannot apply pod: no");
  inputs.configMaps.clear();
  await assert.rejects(report(2), failures.apply);
  failures.remove = new AranyaError(
    "timed_out",
    "Cannot remove pod: no answer",
  );
  const { metadata } = stored.pod ?? REFERRING_POD;
  stored.pod = {
    ...stored.pod ?? REFERRING_POD,
    metadata: { ...metadata, deletionTimestamp: "2026-01-01T00:00:00Z" },
  };
  await assert.rejects(report(3), failures.remove);
  assert.deepEqual(restartCountsOf(patches), [1, 2, 3]);
});

Deno.test("PodSyncer.sync() sends the pod although its status can't be written", async () => {
  const failures: Failures = {};
  const { inputs, requests, syncer, report } = new OfflineSyncer(failures);
  await syncer.sync("ns/web", SIGNAL);
  failures.patch = new AranyaError("forbidden", "Cannot patch pods/status: no");
  inputs.configMaps.clear();
  await assert.rejects(report(1), failures.patch);
  assert.deepEqual(requests, [Method.APPLY_POD, Method.APPLY_POD]);
});

Deno.test("PodSyncer.sync() sends nothing to the device for a pod that has completed", async () => {
  const { inputs, stored, requests, syncer, devicePods } = new OfflineSyncer({
    token: new AranyaError("forbidden", "Cannot create token: no"),
  });
  const { spec } = REFERRING_POD;
  stored.pod = {
    ...REFERRING_POD,
    spec: { ...spec, restartPolicy: "Never" },
    status: { phase: "Running", startTime: "2026-01-01T00:00:00Z" },
  };
  devicePods.addReport(create(PodStatusListSchema, {
    pods: [{
      uid: "u-1",
      namespace: "ns",
      name: "web",
      containers: [{
        name: "app",
        state: { state: { case: "terminated", value: { exitCode: 0 } } },
      }],
    }],
  }));
  await syncer.sync("ns/web", SIGNAL);
  assert.equal(stored.pod.status?.phase, "Succeeded");
  assert.deepEqual(requests, []);
  assert.equal(inputs.translationCount, 0);
});

Deno.test("PodSyncer.sync() does not send a pod that was deleted or replaced before its startTime could be written", async () => {
  for (const code of ["not_found", "conflict"] as const) {
    const patch = new AranyaError(code, "Cannot patch pods/status: no");
    const { requests, enqueued, syncer } = new OfflineSyncer({ patch });
    await syncer.sync("ns/web", SIGNAL);
    assert.deepEqual(requests, []);
    assert.equal(enqueued.length, 1);
  }
});

Deno.test("PodSyncer.sync() drops all state of a pod that never reached the device and was deleted by force", async () => {
  const failures: Failures = {
    token: new AranyaError("forbidden", "Cannot create token: no"),
  };
  const { stored, dropped, events, syncer } = new OfflineSyncer(failures);
  const tryToSend = () =>
    assert.rejects(syncer.sync("ns/web", SIGNAL), failures.token);
  await tryToSend();
  await tryToSend();
  assert.equal(events.length, 1);
  stored.pod = undefined;
  await syncer.sync("ns/web", SIGNAL);
  assert.deepEqual(dropped, ["u-1"]);
  await syncer.sync("ns/web", SIGNAL);
  assert.deepEqual(dropped, ["u-1"]);
  // Nothing is left: the same UID begins anew.
  stored.pod = REFERRING_POD;
  await tryToSend();
  assert.equal(events.length, 2);
  // A pod of the same name takes its place.
  const { metadata } = REFERRING_POD;
  stored.pod = { ...REFERRING_POD, metadata: { ...metadata, uid: "u-2" } };
  await tryToSend();
  assert.deepEqual(dropped, ["u-1", "u-1"]);
});

Deno.test("PodSyncer.sync() keeps the grace period of a pod that the device still runs", async () => {
  const { stored, removals, dropped, syncer, report } = new OfflineSyncer();
  const { spec } = REFERRING_POD;
  stored.pod = {
    ...REFERRING_POD,
    spec: { ...spec, terminationGracePeriodSeconds: 7 },
  };
  await syncer.sync("ns/web", SIGNAL);
  await report(1);
  stored.pod = undefined;
  await syncer.sync("ns/web", SIGNAL);
  assert.deepEqual([removals, dropped], [[7], []]);
});

Deno.test("PodSyncer.sync() watches nothing for a pod that has completed", async () => {
  const { stored, refs, dropped, syncer } = new OfflineSyncer();
  await syncer.sync("ns/web", SIGNAL);
  assert.equal(refs.get("ns/web")?.length, 4);
  const { metadata } = REFERRING_POD;
  stored.pod = {
    ...REFERRING_POD,
    metadata: { ...metadata, resourceVersion: "9" },
    status: { phase: "Succeeded" },
  };
  await syncer.sync("ns/web", SIGNAL);
  assert.deepEqual(refs.get("ns/web"), []);
  assert.deepEqual(dropped, ["u-1"]);
});

Deno.test("PodSyncer.sync() syncs a pod although an earlier one of its name can't be removed", async () => {
  const failures: Failures = {
    remove: new AranyaError("timed_out", "Cannot remove pod: no answer"),
  };
  const { stored, patches, syncer, report } = new OfflineSyncer(failures);
  await syncer.sync("ns/web", SIGNAL);
  await report(1);
  const { metadata } = REFERRING_POD;
  stored.pod = {
    ...REFERRING_POD,
    metadata: {
      ...metadata,
      uid: "u-2",
      deletionTimestamp: "2026-01-01T00:00:00Z",
    },
  };
  patches.length = 0;
  await assert.rejects(syncer.sync("ns/web", SIGNAL), failures.remove);
  assert.equal(stored.pod, undefined);
});

Deno.test("PodSyncer.sync() writes the report of a pod whose namespace can't be read, and sends nothing", async () => {
  const error = new AranyaError("forbidden", "Cannot list secrets: no");
  const failures: Failures = { namespace: error };
  const { patches, requests, events, syncer, report } = new OfflineSyncer(
    failures,
  );
  await syncer.sync("ns/web", SIGNAL);
  await report(1);
  assert.deepEqual(requests, []);
  assert.deepEqual(restartCountsOf(patches), [1]);
  assert.deepEqual(
    events.map(({ reason, message }) => ({ reason, message })),
    [{
      reason: "NamespaceNotReadable",
      message:
        'Cannot run pod "ns/web": the operator may not read namespace "ns": Cannot list secrets: no',
    }],
  );
  failures.namespace = undefined;
  await report(2);
  assert.deepEqual(requests, [Method.APPLY_POD]);
});

Deno.test("PodSyncer.sync() does nothing until the pods of the namespace are known", async () => {
  const failures: Failures = { unlisted: true };
  const { stored, patches, requests, syncer, report } = new OfflineSyncer(
    failures,
  );
  stored.pod = undefined;
  await report(1);
  assert.deepEqual([patches, requests], [[], []]);
  failures.unlisted = false;
  await syncer.sync("ns/web", SIGNAL);
  assert.deepEqual(requests, [Method.REMOVE_POD]);
});

/** A pod of the device's name that was not made for the device. */
const FOREIGN_POD: Pod = {
  metadata: { namespace: "ns", name: TEST_NODE.name, uid: "u-9" },
  spec: { nodeName: TEST_NODE.name, containers: [{ name: "app", image: "i" }] },
};

/** Returns a pod that is being deleted. */
function deleted(pod: Pod): Pod {
  const deletionTimestamp = "2026-01-01T00:00:00Z";
  return { ...pod, metadata: { ...pod.metadata, deletionTimestamp } };
}

Deno.test("PodSyncer.sync() never runs a foreign pod of the virtual pod's name, and finishes its deletion", async () => {
  const { stored, requests, patches, events, syncer } = new OfflineSyncer();
  const key = `ns/${TEST_NODE.name}`;
  stored.pod = FOREIGN_POD;
  await syncer.sync(key, SIGNAL);
  assert.deepEqual(
    events.map(({ reason, message }) => ({ reason, message })),
    [{
      reason: "NameConflict",
      message:
        'Cannot run pod "ns/edge-1": device "edge-1" has a virtual pod of this name',
    }],
  );
  stored.pod = deleted(FOREIGN_POD);
  await syncer.sync(key, SIGNAL);
  assert.equal(stored.pod, undefined);
  assert.deepEqual([requests, patches], [[], []]);
});

Deno.test("PodSyncer.sync() leaves the device's own virtual pod alone", async () => {
  const { stored, events, syncer } = new OfflineSyncer();
  const own = {
    ...FOREIGN_POD,
    metadata: { ...FOREIGN_POD.metadata, uid: OWN_VIRTUAL_POD_UID },
  };
  stored.pod = deleted(own);
  await syncer.sync(`ns/${TEST_NODE.name}`, SIGNAL);
  assert.notEqual(stored.pod, undefined);
  assert.deepEqual(events, []);
});

Deno.test("PodSyncer.sync() drops the translation of a pod that was deleted or has completed", async () => {
  const { inputs, stored, syncer } = new OfflineSyncer();
  const { translations } = inputs;
  const endings: (Pod | undefined)[] = [
    undefined,
    { ...REFERRING_POD, status: { phase: "Succeeded" } },
  ];
  for (const ending of endings) {
    translations.findContents(REFERRING_POD);
    const before = inputs.translationCount;
    translations.findContents(REFERRING_POD);
    assert.equal(inputs.translationCount, before);
    stored.pod = ending;
    await syncer.sync("ns/web", SIGNAL);
    translations.findContents(REFERRING_POD);
    assert.equal(inputs.translationCount, before + 1);
  }
});

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
