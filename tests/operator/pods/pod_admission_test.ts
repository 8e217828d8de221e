// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import { Method } from "../../../lib/shared/wire/mod.ts";
import { EVENT, POD, type Pod } from "../../../lib/operator/kube/mod.ts";
import { openCluster } from "../../_support/cluster.ts";
import {
  type Failures,
  OfflineSyncer,
  SIGNAL,
} from "./_support/offline_syncer.ts";
import { PodFixture, REJECTION, TEST_NODE } from "./_support/pod_fixture.ts";
import { REFERRING_POD } from "./_support/translation_inputs.ts";

const DISK = ["DiskPressure"];

/** Returns phase, reason and message of a pod. */
function toFailure({ status }: Pod) {
  const { phase, reason, message } = status ?? {};
  return { phase, reason, message };
}

const REJECTED = {
  phase: "Failed",
  reason: REJECTION.reason,
  message: `Pod was rejected: ${REJECTION.message}`,
};

/** Returns type, reason and message of the recorded Events. */
const eventsOf = ({ events }: OfflineSyncer) =>
  events.map(({ type, reason, message }) => ({ type, reason, message }));

Deno.test("PodSyncer.sync() makes a new pod Failed while the device is short of disk space, without asking the device", async () => {
  const offline = new OfflineSyncer({ pressures: DISK });
  for (let count = 0; count < 3; count++) {
    await offline.syncer.sync("ns/web", SIGNAL);
  }
  const { pod } = offline.stored;
  assert.ok(pod);
  assert.deepEqual(toFailure(pod), REJECTED);
  assert.ok(pod.status?.startTime);
  assert.deepEqual(pod.status.conditions, undefined);
  assert.deepEqual(eventsOf(offline), [{ type: "Warning", ...REJECTION }]);
  assert.deepEqual(offline.requests, []);
  assert.equal(offline.inputs.translationCount, 0);
  assert.deepEqual(offline.refs.get("ns/web"), []);
});

Deno.test("PodSyncer.sync() makes a pod Failed that the device rejects, and doesn't send it again", async () => {
  const failures: Failures = { rejection: REJECTION };
  const offline = new OfflineSyncer(failures);
  await offline.syncer.sync("ns/web", SIGNAL);
  // The pressure may end before the informer has the status.
  failures.rejection = undefined;
  await offline.syncer.sync("ns/web", SIGNAL);
  assert.deepEqual(toFailure(offline.stored.pod ?? REFERRING_POD), REJECTED);
  assert.deepEqual(eventsOf(offline), [{ type: "Warning", ...REJECTION }]);
  assert.deepEqual(offline.requests, [Method.APPLY_POD]);
});

Deno.test("PodSyncer.sync() sends every pod that may have been sent before, whatever the device is short of", async () => {
  const failures: Failures = {};
  // Accepted over this link.
  const accepted = new OfflineSyncer(failures);
  await accepted.syncer.sync("ns/web", SIGNAL);
  // Reported by the device.
  const reported = new OfflineSyncer(failures);
  await reported.report(1);
  reported.devicePods.onDeviceConnected();
  // Marked as sent by an earlier operator.
  const marked = new OfflineSyncer(failures);
  marked.stored.pod = {
    ...REFERRING_POD,
    status: { phase: "Pending", startTime: "2026-01-01T00:00:00Z" },
  };
  failures.pressures = ["MemoryPressure", "DiskPressure"];
  for (
    const [offline, isMarked] of [
      [accepted, false],
      [reported, false],
      [marked, true],
    ] as const
  ) {
    offline.requests.length = 0;
    const { pod = REFERRING_POD } = offline.stored;
    offline.stored.pod = {
      ...pod,
      metadata: { ...pod.metadata, labels: { app: "changed" } },
      spec: { ...pod.spec, activeDeadlineSeconds: 60 },
      // Only what the device has reported or accepted counts.
      ...isMarked ? {} : { status: { phase: "Pending" } },
    };
    await offline.syncer.sync("ns/web", SIGNAL);
    assert.deepEqual(offline.requests, [Method.APPLY_POD]);
    assert.equal(offline.stored.pod.status?.phase, "Pending");
    assert.deepEqual(offline.events, []);
  }
});

Deno.test("PodSyncer.sync() rejects what a kubelet rejects", async () => {
  const { spec } = REFERRING_POD;
  const requests = { resources: { requests: { memory: "1Mi" } } };
  const tolerations = [{
    key: "node.kubernetes.io/memory-pressure",
    operator: "Exists",
  }];
  const [container = { name: "app" }] = spec.containers;
  const plain = { ...spec, containers: [container] };
  const burstable = { ...plain, containers: [{ ...container, ...requests }] };
  const critical = { ...plain, priority: 2_000_000_000 };
  const cases: [string, Pod["spec"], boolean][] = [
    ["MemoryPressure", plain, true],
    ["MemoryPressure", { ...plain, tolerations }, false],
    ["MemoryPressure", burstable, false],
    ["MemoryPressure", critical, false],
    ["DiskPressure", { ...plain, tolerations }, true],
    ["DiskPressure", burstable, true],
    ["DiskPressure", critical, false],
    ["PIDPressure", plain, false],
  ];
  for (const [pressure, podSpec, isRejected] of cases) {
    const offline = new OfflineSyncer({ pressures: [pressure] });
    offline.stored.pod = { ...REFERRING_POD, spec: podSpec };
    await offline.syncer.sync("ns/web", SIGNAL);
    const expected = isRejected ? [] : [Method.APPLY_POD];
    assert.deepEqual(offline.requests, expected, pressure);
    const { phase } = offline.stored.pod.status ?? {};
    assert.equal(phase, isRejected ? "Failed" : "Pending", pressure);
  }
});

Deno.test("PodSyncer.sync() rejects no pod that was deleted or has changed meanwhile, and records no Event", async () => {
  for (const code of ["not_found", "conflict"] as const) {
    const patch = new AranyaError(code, "Cannot patch pods/status: no");
    const offline = new OfflineSyncer({ patch, pressures: DISK });
    await offline.syncer.sync("ns/web", SIGNAL);
    assert.deepEqual(offline.events, []);
    assert.deepEqual(offline.requests, []);
    assert.deepEqual(offline.enqueued, ["ns/web"]);
  }
});

Deno.test("PodSyncer.sync() rejects no pod by an outdated copy: another operator may have sent it", async () => {
  const offline = new OfflineSyncer({ pressures: DISK });
  const { metadata } = REFERRING_POD;
  const sent = {
    ...REFERRING_POD,
    metadata: { ...metadata, resourceVersion: "2" },
    status: { phase: "Pending", startTime: "2026-01-01T00:00:00Z" },
  } as const;
  offline.stored.pod = sent;
  offline.findPod = () => REFERRING_POD;
  await offline.syncer.sync("ns/web", SIGNAL);
  assert.deepEqual([offline.patches, offline.events], [[], []]);
  offline.findPod = () => sent;
  await offline.syncer.sync("ns/web", SIGNAL);
  assert.deepEqual(offline.requests, [Method.APPLY_POD]);
});

Deno.test("PodSyncer rejects pods of a real API server as a kubelet does", async (t) => {
  await using cluster = await openCluster();
  const step = (name: string, work: (fixture: PodFixture) => Promise<void>) =>
    t.step(name, async () => {
      const namespace = `ns-${crypto.randomUUID().slice(0, 8)}`;
      await using fixture = await PodFixture.start(cluster, namespace);
      await work(fixture);
    });

  const untilRejected = (fixture: PodFixture, name: string) =>
    fixture.until(async () => {
      const pod = await fixture.pod(name);
      return pod?.status?.phase === "Failed" && pod;
    });
  /** A kubelet's status of a rejected pod has nothing else. */
  const assertRejected = ({ metadata, status }: Pod) => {
    const { startTime, ...rest } = status ?? {};
    assert.ok(startTime);
    assert.deepEqual(rest, {
      ...REJECTED,
      qosClass: "BestEffort",
      observedGeneration: metadata.generation,
    });
  };
  const untilEvent = (fixture: PodFixture, { metadata }: Pod) =>
    fixture.until(async () => {
      const { items } = await fixture.client.list(EVENT, {
        namespace: fixture.namespace,
      });
      return items.find(({ involvedObject, reason, message, type }) =>
        involvedObject.uid === metadata.uid && type === "Warning" &&
        reason === REJECTION.reason && message === REJECTION.message
      );
    });

  await step("rejected by the operator", async (fixture) => {
    await fixture.controller.close();
    fixture.open({ node: { ...TEST_NODE, pressures: DISK } });
    fixture.connect();
    await fixture.createPod("web");
    const pod = await untilRejected(fixture, "web");
    assertRejected(pod);
    await untilEvent(fixture, pod);
    assert.deepEqual(fixture.device.calls, ["list"]);
    // A failed pod is deleted without the device.
    await fixture.client.delete(POD, {
      namespace: fixture.namespace,
      name: "web",
    }, {});
    await fixture.until(async () => !await fixture.pod("web"));
  });

  await step("rejected by the device", async (fixture) => {
    fixture.device.rejected.add("web");
    fixture.connect();
    await fixture.createPod("web", {
      initContainers: [{ name: "init", image: "busybox:1" }],
    });
    const pod = await untilRejected(fixture, "web");
    assertRejected(pod);
    await untilEvent(fixture, pod);
    const isApply = (call: string) => call.startsWith("apply ");
    assert.equal(fixture.device.calls.filter(isApply).length, 1);
  });

  await step("not rejected when it has changed", async (fixture) => {
    const created = await fixture.createPod("web");
    const startTime = "2026-01-01T00:00:00Z";
    const target = { namespace: fixture.namespace, name: "web" };
    // The informer's copy is that of before the write of another operator.
    const { sources } = fixture;
    await fixture.until(() => sources.findPod(`${fixture.namespace}/web`));
    const outdated = new Proxy(sources, {
      get: (target, key) => {
        if (key === "findPod") return () => created;
        const value = Reflect.get(target, key);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    await fixture.client.patch(POD, target, {
      subresource: "status",
      kind: "strategic",
      body: { status: { startTime } },
    });
    await fixture.controller.close();
    const controller = fixture.open({
      sources: outdated,
      node: { ...TEST_NODE, pressures: DISK },
    });
    fixture.connect();
    await fixture.waitForCall("list");
    await controller.idle();
    const { status } = await fixture.pod("web") ?? {};
    assert.deepEqual(
      [status?.phase, status?.startTime],
      ["Pending", startTime],
    );
  });
});
