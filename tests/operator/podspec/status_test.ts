// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { Pod } from "../../../lib/operator/kube/mod.ts";
import {
  toStatus,
  toStatusPatch,
} from "../../../lib/operator/podspec/status.ts";
import {
  create,
  PodRejectionSchema,
  type PodStatus,
  PodStatusSchema,
} from "../../../lib/shared/wire/mod.ts";
import { pod } from "./_support/fixtures.ts";

const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const NOW = "2026-01-02T03:04:05Z";

function makeReport(fields: Partial<PodStatus> = {}): PodStatus {
  const status = create(PodStatusSchema, {
    uid: "u-1",
    podIps: ["10.9.0.2"],
    hostIps: ["192.0.2.7", "192.0.2.8", "fd00::7"],
    sandboxReady: true,
    containers: [{
      name: "app",
      image: "busybox:1",
      imageId: "sha256:1",
      containerId: "docker://c2",
      restartCount: 3,
      ready: true,
      started: true,
      state: { state: { case: "running", value: { startedUnixMs: 5000n } } },
      lastTerminated: {
        state: {
          case: "terminated",
          value: {
            exitCode: 137,
            signal: 9,
            reason: "OOMKilled",
            finishedUnixMs: 4000n,
            containerId: "docker://c1",
          },
        },
      },
    }],
  });
  return Object.assign(status, fields);
}

Deno.test("toStatus() translates the device's report to the kubelet's format", () => {
  const status = toStatus({ pod: pod(), report: makeReport(), nowMs: NOW_MS });
  assert.deepEqual(status.containerStatuses, [{
    name: "app",
    state: { running: { startedAt: "1970-01-01T00:00:05Z" } },
    lastState: {
      terminated: {
        exitCode: 137,
        signal: 9,
        reason: "OOMKilled",
        finishedAt: "1970-01-01T00:00:04Z",
        containerID: "docker://c1",
      },
    },
    ready: true,
    restartCount: 3,
    image: "busybox:1",
    imageID: "sha256:1",
    containerID: "docker://c2",
    started: true,
  }]);
  assert.equal(status.phase, "Running");
  assert.equal(status.startTime, NOW);
  assert.equal(status.podIP, "10.9.0.2");
  // one address of each family, as the API demands
  assert.deepEqual(status.hostIPs, [{ ip: "192.0.2.7" }, { ip: "fd00::7" }]);
});

Deno.test("toStatus() shows containers that were not reported as waiting", () => {
  const waiting = (spec: Partial<Pod["spec"]>) =>
    toStatus({ pod: pod(spec), nowMs: NOW_MS }).containerStatuses?.[0]?.state;
  assert.deepEqual(waiting({}), { waiting: { reason: "ContainerCreating" } });
  assert.deepEqual(waiting({ initContainers: [{ name: "i" }] }), {
    waiting: { reason: "PodInitializing" },
  });
  const refusal = { reason: "UnsupportedField", message: "Cannot run pod" };
  const refused = toStatus({
    pod: pod(),
    refusal,
    accepted: false,
    nowMs: NOW_MS,
  });
  assert.deepEqual(refused.containerStatuses?.[0]?.state, { waiting: refusal });
  assert.equal(refused.startTime, undefined);
});

Deno.test("toStatus() clears Ready while the pod is being deleted", () => {
  const deleted = pod({}, { deletionTimestamp: NOW });
  const { conditions, containerStatuses, phase } = toStatus({
    pod: deleted,
    report: makeReport(),
    nowMs: NOW_MS,
  });
  assert.equal(phase, "Running");
  assert.equal(containerStatuses?.[0]?.ready, false);
  const unready = conditions?.filter(({ status }) => status === "False");
  assert.deepEqual(unready?.map(({ type }) => type), [
    "ContainersReady",
    "Ready",
  ]);
});

Deno.test("toStatus() uses the kubelet's exit code for a container whose end was not observed", () => {
  const status = toStatus({
    pod: pod(),
    report: undefined,
    terminated: true,
    nowMs: NOW_MS,
  });
  assert.equal(status.phase, "Failed");
  assert.equal(
    status.containerStatuses?.[0]?.state?.terminated?.exitCode,
    137,
  );
  assert.equal(
    status.containerStatuses?.[0]?.state?.terminated?.reason,
    "ContainerStatusUnknown",
  );
});

/** Returns the pod as the API server stores it after this patch. */
function applyPatch(before: Pod, patch: ReturnType<typeof toStatusPatch>): Pod {
  const { conditions = [], ...rest } = patch?.status ?? {};
  const bare = Object.entries(rest).map(([field, value]) => [
    field,
    Array.isArray(value)
      ? value.filter((item) => !Object.hasOwn(item, "$patch"))
      : value,
  ]);
  const changed = conditions as { type: string }[];
  const kept = (before.status?.conditions ?? []).filter(({ type }) =>
    !changed.some((one) => one.type === type)
  );
  const status = { ...before.status, ...Object.fromEntries(bare) };
  return {
    ...before,
    status: { ...status, conditions: [...kept, ...changed] },
  };
}

Deno.test("toStatusPatch() returns undefined when the status is up to date", () => {
  const first = toStatusPatch({
    pod: pod(),
    report: makeReport(),
    nowMs: NOW_MS,
  });
  assert.equal(first?.metadata.uid, "u-1");
  const after = applyPatch(pod(), first);
  const again = { pod: after, report: makeReport(), nowMs: NOW_MS + 60_000 };
  assert.equal(toStatusPatch(again), undefined);
});

Deno.test("toStatusPatch() replaces addresses instead of merging them", () => {
  const patch = toStatusPatch({
    pod: pod(),
    report: makeReport(),
    nowMs: NOW_MS,
  });
  assert.deepEqual(patch?.status.podIPs, [{ $patch: "replace" }, {
    ip: "10.9.0.2",
  }]);
});

Deno.test("toStatusPatch() keeps transition times, startTime and conditions of others", () => {
  const before = pod();
  before.status = {
    startTime: "2025-01-01T00:00:00Z",
    conditions: [
      { type: "example.com/gate", status: "True" },
      { type: "PodScheduled", status: "True" },
      {
        type: "Initialized",
        status: "True",
        reason: "old",
        lastTransitionTime: "2025-01-01T00:00:01Z",
      },
      {
        type: "Ready",
        status: "False",
        lastTransitionTime: "2025-01-01T00:00:02Z",
      },
    ],
  };
  const patch = toStatusPatch({
    pod: before,
    report: makeReport(),
    nowMs: NOW_MS,
  });
  const conditions = patch?.status.conditions as {
    type: string;
    status: string;
    lastTransitionTime: string;
  }[];
  assert.deepEqual(
    conditions.map((
      { type, lastTransitionTime },
    ) => [type, lastTransitionTime]),
    [
      ["PodReadyToStartContainers", NOW],
      ["Initialized", "2025-01-01T00:00:01Z"],
      ["ContainersReady", NOW],
      ["Ready", NOW],
    ],
  );
  assert.equal("startTime" in (patch?.status ?? {}), false);
});

Deno.test("toStatusPatch() returns undefined for a pod in a terminal phase", () => {
  const failed = pod();
  failed.status = { phase: "Failed" };
  assert.equal(
    toStatusPatch({ pod: failed, report: makeReport(), nowMs: NOW_MS }),
    undefined,
  );
});

Deno.test("toStatusPatch() sets the reason when the pod as a whole has failed", () => {
  const patch = toStatusPatch({
    pod: pod(),
    report: makeReport({
      failureReason: "DeadlineExceeded",
      failureMessage: "too long",
      terminated: true,
    }),
    terminated: true,
    nowMs: NOW_MS,
  });
  assert.equal(patch?.status.phase, "Failed");
  assert.equal(patch?.status.reason, "DeadlineExceeded");
});

Deno.test("toStatusPatch() sets Failed and the reason once no container of a failed pod runs", () => {
  const makeFailed = (exitCode?: number) =>
    create(PodStatusSchema, {
      uid: "u-1",
      failureReason: "Evicted",
      failureMessage: "too large",
      containers: [{
        name: "app",
        state: {
          state: exitCode === undefined
            ? { case: "running", value: { startedUnixMs: 1000n } }
            : { case: "terminated", value: { exitCode } },
        },
      }],
    });
  const running = pod();
  running.status = { phase: "Running" };
  const toFields = (exitCode?: number) => {
    const { phase, reason, message } = toStatus({
      pod: running,
      report: makeFailed(exitCode),
      nowMs: NOW_MS,
    });
    return { phase, reason, message };
  };
  assert.deepEqual(toFields(), {
    phase: "Running",
    reason: undefined,
    message: undefined,
  });
  const failed = { phase: "Failed", reason: "Evicted", message: "too large" };
  assert.deepEqual(toFields(143), failed);
  assert.deepEqual(toFields(0), failed);
});

for (const disruptionTarget of [true, false]) {
  Deno.test(
    `toStatus() has ${
      disruptionTarget ? "the" : "no"
    } condition DisruptionTarget when the device ${
      disruptionTarget ? "ran out of a resource" : "is not the reason"
    }`,
    () => {
      const { conditions } = toStatus({
        pod: pod(),
        report: makeReport({
          failureReason: "Evicted",
          failureMessage: "The node was low on resource: memory. ",
          disruptionTarget,
        }),
        nowMs: NOW_MS,
      });
      assert.deepEqual(
        conditions?.filter(({ type }) => type === "DisruptionTarget"),
        disruptionTarget
          ? [{
            type: "DisruptionTarget",
            status: "True",
            reason: "TerminationByKubelet",
            message: "The node was low on resource: memory. ",
          }]
          : [],
      );
    },
  );
}

Deno.test("toStatusPatch() treats null from the API server as absent", () => {
  const report = makeReport();
  const first = applyPatch(
    pod(),
    toStatusPatch({ pod: pod(), report, nowMs: NOW_MS }),
  );
  const text = JSON.stringify(first).replace(
    '"exitCode":137',
    '"exitCode":137,"startedAt":null',
  );
  const stored = JSON.parse(text) as Pod;
  assert.equal(
    toStatusPatch({ pod: stored, report, nowMs: NOW_MS }),
    undefined,
  );
});

const WAITING = {
  state: {
    state: {
      case: "waiting",
      value: { reason: "ContainerCreating", message: "" },
    },
  },
} as const;
const EVICTION = {
  failureReason: "Evicted",
  failureMessage: "The node was low on resource: memory. ",
  sandboxReady: false,
};

/** Returns "name:state" of each container, init containers first. */
function describeStates(
  { initContainerStatuses = [], containerStatuses = [] }: ReturnType<
    typeof toStatus
  >,
): string {
  return [...initContainerStatuses, ...containerStatuses].map((
    { name, state },
  ) =>
    `${name}:${
      state?.waiting?.reason ??
        (state?.terminated
          ? `${state.terminated.reason}/${state.terminated.exitCode}`
          : "running")
    }`
  ).join(" ");
}

Deno.test("toStatus() shows containers that an evicted pod never started as terminated", () => {
  const report = makeReport({
    ...EVICTION,
    containers: create(PodStatusSchema, {
      containers: [{ name: "app", ...WAITING }],
    }).containers,
  });
  const status = toStatus({ pod: pod(), report, nowMs: NOW_MS });
  assert.equal(status.phase, "Failed");
  assert.equal(describeStates(status), "app:ContainerStatusUnknown/137");
});

Deno.test("toStatus() of a pod that was evicted while it was initialized leaves its containers waiting", () => {
  const from = create(PodStatusSchema, {
    initContainers: [{ name: "one", ...WAITING }, { name: "two", ...WAITING }],
    containers: [{ name: "app", ...WAITING }],
  });
  const { initContainers, containers } = from;
  const status = toStatus({
    pod: pod({ initContainers: [{ name: "one" }, { name: "two" }] }),
    report: makeReport({ ...EVICTION, initContainers, containers }),
    nowMs: NOW_MS,
  });
  assert.equal(
    describeStates(status),
    "one:ContainerStatusUnknown/137 two:ContainerCreating app:ContainerCreating",
  );
});

const REJECTION = create(PodRejectionSchema, {
  reason: "Evicted",
  message: "The node had condition: [DiskPressure]. ",
});

Deno.test("toStatusPatch() of a rejected pod is that of a kubelet, and pins the pod's version", () => {
  const rejected = pod();
  rejected.metadata.resourceVersion = "7";
  rejected.metadata.generation = 1;
  assert.deepEqual(
    toStatusPatch({ pod: rejected, rejection: REJECTION, nowMs: NOW_MS }),
    {
      metadata: { uid: rejected.metadata.uid, resourceVersion: "7" },
      status: {
        phase: "Failed",
        reason: "Evicted",
        message: "Pod was rejected: The node had condition: [DiskPressure]. ",
        startTime: NOW,
        observedGeneration: 1,
      },
    },
  );
});

Deno.test("toStatusPatch() of a rejected pod removes what was written when it was sent", () => {
  const rejected = pod({ initContainers: [{ name: "init" }] });
  const first = toStatusPatch({ pod: rejected, nowMs: NOW_MS });
  assert.equal(first?.metadata.resourceVersion, undefined);
  assert.ok(first);
  rejected.status = first.status;
  rejected.status.conditions?.push({
    type: "PodScheduled",
    status: "True",
    lastTransitionTime: "2026-01-01T00:00:00Z",
  });
  const { status } = toStatusPatch({
    pod: rejected,
    rejection: REJECTION,
    nowMs: NOW_MS + 5_000,
  }) ?? {};
  assert.deepEqual(status?.containerStatuses, []);
  assert.deepEqual(status?.initContainerStatuses, []);
  assert.deepEqual(
    status?.conditions,
    ["PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready"]
      .map((type) => ({ $patch: "delete", type })),
  );
  assert.equal(status?.startTime, undefined);
});
