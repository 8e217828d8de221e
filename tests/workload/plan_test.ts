// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { RuntimeContainer } from "../../lib/runtime/mod.ts";
import {
  ContainerSchema,
  create,
  PodSpecSchema,
  RestartPolicy,
} from "../../lib/wire/mod.ts";
import type { Action } from "../../lib/workload/pod_view.ts";
import { planPod } from "../../lib/workload/plan.ts";
import type {
  ContainerView,
  Instance,
  PodView,
} from "../../lib/workload/pod_view.ts";

const NOW = 1_000_000;
const { ALWAYS, ON_FAILURE, NEVER } = RestartPolicy;

interface Sketch {
  role?: ContainerView["role"];
  instances?: Instance[];
  more?: Partial<ContainerView>;
  blocked?: { reason: string; message: string };
}

/** A container named after its key: `init…`, `side…`, anything else is an app. */
function containerView(name: string, sketch: Sketch): ContainerView {
  const role = sketch.role ??
    (name.startsWith("init")
      ? "init"
      : name.startsWith("side")
      ? "sidecar"
      : "app");
  return {
    spec: create(ContainerSchema, {
      name,
      image: "img:1",
      restartAlways: role === "sidecar",
      ...(sketch.blocked && { blocked: sketch.blocked }),
    }),
    role,
    instances: sketch.instances ?? [],
    started: true,
    ...sketch.more,
  };
}

function podView(
  containers: Record<string, Sketch>,
  more: Partial<PodView> & { policy?: RestartPolicy } = {},
): PodView {
  const { policy = ALWAYS, ...view } = more;
  return {
    spec: create(PodSpecSchema, {
      uid: "u",
      restartPolicy: policy,
      terminationGraceSeconds: 30n,
    }),
    goal: { kind: "run" },
    nowMs: NOW,
    sandbox: { kind: "ready", id: "s1" },
    sandboxRetryAtMs: 0,
    volumes: { kind: "ready" },
    containers: Object.entries(containers).map(([name, sketch]) =>
      containerView(name, sketch)
    ),
    busy: new Set(),
    stopping: new Map(),
    ...view,
  };
}

function instance(
  state: Instance["state"],
  more: Partial<Instance> = {},
): Instance {
  const attempt = more.attempt ?? 0;
  return {
    id: `c${attempt}`,
    attempt,
    state,
    exitCode: 0,
    deadAtMs: NOW,
    ranMs: 1_000,
    backoffLevel: attempt,
    sandboxId: "s1",
    image: "img:1",
    raw: {} as RuntimeContainer,
    ...more,
  };
}

const running = (more: Partial<Instance> = {}) => instance("running", more);
const exited = (exitCode: number, more: Partial<Instance> = {}) =>
  instance("exited", { exitCode, ...more });

/** `start app#0`, `stop app c0 by 30000 removed`, `remove c0`, … with times counted from now. */
function sayAction(action: Action): string {
  switch (action.kind) {
    case "start":
      return `start ${action.name}#${action.attempt} level ${action.backoffLevel}`;
    case "stop":
      return `stop ${action.name} ${action.id} in ${
        action.stopByMs - NOW
      } ${action.why}`;
    case "removeInstance":
      return `remove ${action.id}`;
    case "failPod":
      return `fail ${action.reason}`;
    default:
      return action.kind;
  }
}

interface Case {
  title: string;
  view: PodView;
  actions?: string[];
  waiting?: Record<string, string>;
  wakeInMs?: number;
  ended?: boolean;
}

function check({ title, view, ...expected }: Case): void {
  Deno.test(`planPod() ${title}`, () => {
    const plan = planPod(view);
    assert.deepEqual(
      {
        actions: plan.actions.map(sayAction),
        waiting: Object.fromEntries(
          [...plan.waiting].map(([name, { reason }]) => [name, reason]),
        ),
        wakeInMs: plan.wakeAtMs === undefined ? undefined : plan.wakeAtMs - NOW,
        ended: plan.ended,
      },
      {
        actions: expected.actions ?? [],
        waiting: expected.waiting ?? {},
        wakeInMs: expected.wakeInMs,
        ended: expected.ended ?? false,
      },
    );
  });
}

// ---------------------------------------------------------------------------------------------------- the way up

check({
  title: "prepares volumes before anything else",
  view: podView({ app: {} }, {
    sandbox: { kind: "absent", id: "" },
    volumes: { kind: "pending" },
  }),
  actions: ["prepareVolumes"],
  waiting: { app: "ContainerCreating" },
});
check({
  title: "waits while volumes are being prepared",
  view: podView({ app: {} }, {
    sandbox: { kind: "absent", id: "" },
    volumes: { kind: "pending" },
    busy: new Set(["volumes"]),
  }),
  waiting: { app: "ContainerCreating" },
});
check({
  title: "waits before it tries failed volumes again",
  view: podView({ app: {} }, {
    sandbox: { kind: "absent", id: "" },
    volumes: { kind: "failed", message: "no", retryAtMs: NOW + 500 },
  }),
  waiting: { app: "ContainerCreating" },
  wakeInMs: 500,
});
check({
  title: "tries failed volumes again when it is time",
  view: podView({ app: {} }, {
    sandbox: { kind: "absent", id: "" },
    volumes: { kind: "failed", message: "no", retryAtMs: NOW },
  }),
  actions: ["prepareVolumes"],
  waiting: { app: "ContainerCreating" },
});
check({
  title: "makes the sandbox once volumes are there",
  view: podView({ app: {} }, { sandbox: { kind: "absent", id: "" } }),
  actions: ["ensureSandbox"],
  waiting: { app: "ContainerCreating" },
});
check({
  title: "waits before it tries a failed sandbox again",
  view: podView({ app: {} }, {
    sandbox: { kind: "absent", id: "" },
    sandboxRetryAtMs: NOW + 2_000,
  }),
  waiting: { app: "ContainerCreating" },
  wakeInMs: 2_000,
});
check({
  title: "starts all app containers at once",
  view: podView({ a: {}, b: {} }),
  actions: ["start a#0 level 0", "start b#0 level 0"],
  waiting: { a: "ContainerCreating", b: "ContainerCreating" },
});
check({
  title: "does not start a container whose start runs",
  view: podView({ a: {}, b: {} }, { busy: new Set(["container/a"]) }),
  actions: ["start b#0 level 0"],
  waiting: { a: "ContainerCreating", b: "ContainerCreating" },
});
check({
  title: "leaves running containers alone",
  view: podView({ app: { instances: [running()] } }),
});
check({
  title: "starts the others when one container is blocked",
  view: podView({
    a: { blocked: { reason: "CreateContainerConfigError", message: "no map" } },
    b: {},
  }),
  actions: ["start b#0 level 0"],
  waiting: { a: "CreateContainerConfigError", b: "ContainerCreating" },
});
check({
  title: "leaves a running container alone that is blocked now",
  view: podView({
    a: { blocked: { reason: "x", message: "" }, instances: [running()] },
  }),
});
check({
  title: "does nothing to a pod about which nobody has said anything",
  view: podView({ app: { instances: [exited(1)] } }, {
    goal: { kind: "leave" },
  }),
});

// -------------------------------------------------------------------------------------------------- init containers

check({
  title: "starts the first init container alone",
  view: podView({ init1: {}, init2: {}, app: {} }),
  actions: ["start init1#0 level 0"],
  waiting: {
    init1: "PodInitializing",
    init2: "PodInitializing",
    app: "PodInitializing",
  },
});
check({
  title: "waits for a running init container",
  view: podView({ init1: { instances: [running()] }, app: {} }),
  waiting: { app: "PodInitializing" },
});
check({
  title: "starts the next init container after success",
  view: podView({ init1: { instances: [exited(0)] }, init2: {}, app: {} }),
  actions: ["start init2#0 level 0"],
  waiting: { init2: "PodInitializing", app: "PodInitializing" },
});
check({
  title: "starts app containers after the last init container",
  view: podView({ init1: { instances: [exited(0)] }, app: {} }),
  actions: ["start app#0 level 0"],
  waiting: { app: "PodInitializing" },
});
for (const policy of [ALWAYS, ON_FAILURE]) {
  check({
    title: `starts a failed init container again with policy ${policy}`,
    view: podView({ init1: { instances: [exited(1)] }, app: {} }, { policy }),
    actions: ["start init1#1 level 1"],
    waiting: { app: "PodInitializing" },
  });
}
check({
  title: "backs off from an init container that keeps failing",
  view: podView({
    init1: { instances: [exited(1, { attempt: 2 })] },
    app: {},
  }),
  waiting: { init1: "CrashLoopBackOff", app: "PodInitializing" },
  wakeInMs: 20_000,
});
check({
  title: "ends the pod when an init container fails with policy Never",
  view: podView({ init1: { instances: [exited(1)] }, app: {} }, {
    policy: NEVER,
  }),
  ended: true,
});
check({
  title: "runs init containers again in a new sandbox",
  view: podView({
    init1: { instances: [exited(0, { sandboxId: "s0" })] },
    app: { instances: [exited(137, { sandboxId: "s0" })] },
  }),
  actions: ["start init1#1 level 1"],
});
check({
  title: "does not run init containers again beside app containers",
  view: podView({ init1: {}, app: { instances: [running()] } }),
  waiting: { init1: "PodInitializing" },
});

// --------------------------------------------------------------------------------------------------------- sidecars

check({
  title: "goes on past a sidecar that has started",
  view: podView({ side: { instances: [running()] }, init2: {}, app: {} }),
  actions: ["start init2#0 level 0"],
  waiting: { init2: "PodInitializing", app: "PodInitializing" },
});
check({
  title: "waits for a sidecar's startup probe",
  view: podView({
    side: { instances: [running()], more: { started: false } },
    app: {},
  }),
  waiting: { app: "PodInitializing" },
});
check({
  title: "starts a sidecar again, whatever the policy, beside app containers",
  view: podView({
    side: { instances: [exited(0)] },
    app: { instances: [running()] },
  }, { policy: NEVER }),
  actions: ["start side#1 level 1"],
});
check({
  title: "ends sidecars once all app containers have ended",
  view: podView({
    side: { instances: [running()] },
    app: { instances: [exited(0)] },
  }, { policy: NEVER }),
  actions: ["stop side c0 in 30000 finished"],
});
check({
  title: "has ended with sidecars that failed when they were stopped",
  view: podView({
    side: { instances: [exited(137)] },
    app: { instances: [exited(0)] },
  }, { policy: NEVER }),
  ended: true,
});

// --------------------------------------------------------------------------------------------------------- restarts

for (
  const [policy, exitCode, restarts] of [
    [ALWAYS, 0, true],
    [ALWAYS, 1, true],
    [ON_FAILURE, 0, false],
    [ON_FAILURE, 1, true],
    [NEVER, 0, false],
    [NEVER, 1, false],
  ] as const
) {
  check({
    title: `${
      restarts ? "restarts" : "leaves"
    } an exit ${exitCode} with policy ${policy}`,
    view: podView({ app: { instances: [exited(exitCode)] } }, { policy }),
    actions: restarts ? ["start app#1 level 1"] : [],
    ended: !restarts,
  });
}
for (
  const [attempt, delayMs] of [
    [1, 10_000],
    [2, 20_000],
    [3, 40_000],
    [4, 80_000],
    [5, 160_000],
    [6, 300_000],
    [7, 300_000],
    [70, 300_000],
  ] as const
) {
  check({
    title: `waits ${delayMs / 1_000} s after ${attempt} restarts in a row`,
    view: podView({ app: { instances: [exited(1, { attempt })] } }),
    waiting: { app: "CrashLoopBackOff" },
    wakeInMs: delayMs,
  });
}
check({
  title: "counts the delay from the end",
  view: podView({
    app: { instances: [exited(1, { attempt: 2, deadAtMs: NOW - 15_000 })] },
  }),
  waiting: { app: "CrashLoopBackOff" },
  wakeInMs: 5_000,
});
check({
  title: "restarts when the delay is over",
  view: podView({
    app: { instances: [exited(1, { attempt: 2, deadAtMs: NOW - 20_000 })] },
  }),
  actions: ["start app#3 level 3"],
});
check({
  title: "starts counting over after ten good minutes",
  view: podView({
    app: { instances: [exited(1, { attempt: 9, ranMs: 600_000 })] },
  }),
  actions: ["start app#10 level 1"],
});
check({
  title: "keeps the newest instance and one before it",
  view: podView({
    app: {
      instances: [
        running({ attempt: 3 }),
        exited(1, { attempt: 2 }),
        exited(1, { attempt: 1 }),
        exited(1),
      ],
    },
  }),
  actions: ["remove c1", "remove c0"],
});
check({
  title: "removes what was created and never started before it starts again",
  view: podView({ app: { instances: [instance("created")] } }),
  actions: ["remove c0"],
});
check({
  title: "leaves what a running start has created",
  view: podView({ app: { instances: [instance("created")] } }, {
    busy: new Set(["container/app"]),
  }),
});
check({
  title: "does not restart one container that has settled beside a living one",
  view: podView({
    a: { instances: [exited(0)] },
    b: { instances: [running()] },
  }, { policy: ON_FAILURE }),
});
check({
  title: "does not run again what settled in an earlier life of the agent",
  view: podView({ app: { more: { settledExitCode: 0 } } }, {
    policy: ON_FAILURE,
  }),
  ended: true,
});
check({
  title: "restarts a container whose image was changed",
  view: podView({ app: { instances: [running({ image: "img:0" })] } }),
  actions: ["stop app c0 in 30000 changed"],
});
check({
  title: "ends a container that a probe has given up",
  view: podView({
    app: {
      instances: [running()],
      more: { unhealthy: { id: "c0", graceMs: 5_000 } },
    },
  }),
  actions: ["stop app c0 in 5000 unhealthy"],
});
check({
  title: "does not end the successor of a container that a probe gave up",
  view: podView({
    app: {
      instances: [running({ attempt: 1 }), exited(137)],
      more: { unhealthy: { id: "c0", graceMs: 5_000 } },
    },
  }),
});

// --------------------------------------------------------------------------------------------------- failed starts

const pullFailure = (retryInMs: number, failedAgoMs = 0) => ({
  startFailure: {
    attempt: 0,
    reason: "ErrImagePull",
    message: "no such image",
    failedAtMs: NOW - failedAgoMs,
    retryAtMs: NOW + retryInMs,
  },
});
check({
  title: "shows a failed pull first",
  view: podView({ app: { more: pullFailure(10_000) } }),
  waiting: { app: "ErrImagePull" },
  wakeInMs: 5_000,
});
check({
  title: "shows the wait for the next pull",
  view: podView({ app: { more: pullFailure(4_000, 6_000) } }),
  waiting: { app: "ImagePullBackOff" },
  wakeInMs: 4_000,
});
check({
  title: "pulls again when it is time",
  view: podView({ app: { more: pullFailure(0, 10_000) } }),
  actions: ["start app#0 level 0"],
  waiting: { app: "ImagePullBackOff" },
});
check({
  title: "does not hold the others up for one that can't be started",
  view: podView({ a: { more: pullFailure(10_000) }, b: {} }),
  actions: ["start b#0 level 0"],
  waiting: { a: "ErrImagePull", b: "ContainerCreating" },
  wakeInMs: 5_000,
});
check({
  title: "forgets a failed start once there is an instance",
  view: podView({
    app: { instances: [exited(128)], more: pullFailure(10_000) },
  }),
  actions: ["start app#1 level 1"],
});

// ------------------------------------------------------------------------------------------------- sandbox and boot

check({
  title: "makes a new sandbox after a reboot and starts at once",
  view: podView({
    app: { instances: [exited(137, { attempt: 5, sandboxId: "s0" })] },
  }, { sandbox: { kind: "dead", id: "s0" } }),
  actions: ["ensureSandbox"],
});
check({
  title: "does not hold a restart back in a new sandbox",
  view: podView({
    app: { instances: [exited(137, { attempt: 5, sandboxId: "s0" })] },
  }),
  actions: ["start app#6 level 6"],
});
check({
  title: "ends what lost its sandbox before it makes another",
  view: podView({ app: { instances: [running()] } }, {
    sandbox: { kind: "dead", id: "s1" },
  }),
  actions: ["stop app c0 in 2000 sandbox"],
});
check({
  title: "does not run a pod with policy Never again after a reboot",
  view: podView({ app: { instances: [exited(137)] } }, {
    policy: NEVER,
    sandbox: { kind: "dead", id: "s1" },
  }),
  ended: true,
});
check({
  title: "does not make a sandbox for a pod that has succeeded",
  view: podView({ app: { instances: [exited(0)] } }, {
    policy: ON_FAILURE,
    sandbox: { kind: "absent", id: "" },
  }),
  ended: true,
});

// ---------------------------------------------------------------------------------------------------------- the end

const remove = (stopInMs: number) => ({
  goal: { kind: "remove", stopByMs: NOW + stopInMs } as const,
});
check({
  title: "stops all app containers at once when the pod is removed",
  view: podView(
    { a: { instances: [running()] }, b: { instances: [running()] } },
    remove(30_000),
  ),
  actions: ["stop a c0 in 30000 removed", "stop b c0 in 30000 removed"],
});
check({
  title: "does not ask twice for a stop",
  view: podView({ a: { instances: [running()] } }, {
    ...remove(30_000),
    busy: new Set(["container/a"]),
    stopping: new Map([["a", NOW + 30_000]]),
  }),
});
check({
  title: "shortens a stop that runs",
  view: podView({ a: { instances: [running()] } }, {
    ...remove(5_000),
    busy: new Set(["container/a"]),
    stopping: new Map([["a", NOW + 30_000]]),
  }),
  actions: ["stop a c0 in 5000 removed"],
});
check({
  title: "stops sidecars after the app containers, the last one first",
  view: podView({
    side1: { instances: [running()] },
    side2: { instances: [running()] },
    app: { instances: [exited(0)] },
  }, remove(30_000)),
  actions: ["stop side2 c0 in 30000 removed"],
});
check({
  title: "keeps sidecars while an app container lives",
  view: podView({
    side: { instances: [running()] },
    app: { instances: [running()] },
  }, {
    ...remove(30_000),
    busy: new Set(["container/app"]),
    stopping: new Map([["app", NOW + 30_000]]),
  }),
});
check({
  title: "starts nothing when the pod is removed",
  view: podView({ init1: { instances: [exited(1)] }, app: {} }, remove(0)),
  ended: true,
});
check({
  title: "has not ended while an action runs",
  view: podView({ app: {} }, { ...remove(0), busy: new Set(["volumes"]) }),
});
check({
  title: "fails the pod when its active deadline is over",
  view: podView({ app: { instances: [running()] } }, { deadlineAtMs: NOW }),
  actions: ["fail DeadlineExceeded"],
});
check({
  title: "wakes at the active deadline",
  view: podView({ app: { instances: [running()] } }, {
    deadlineAtMs: NOW + 70,
  }),
  wakeInMs: 70,
});
check({
  title: "stops a failed pod's containers and does not restart them",
  view: podView({
    a: { instances: [running()] },
    b: { instances: [exited(1)] },
  }, { goal: { kind: "fail", stopByMs: NOW + 30_000 } }),
  actions: ["stop a c0 in 30000 failed"],
});
check({
  title: "forgets a pod once",
  view: podView({ a: {} }, { goal: { kind: "forget" } }),
  actions: ["forget"],
});
check({
  title: "does not forget twice",
  view: podView({ a: {} }, {
    goal: { kind: "forget" },
    busy: new Set(["forget"]),
  }),
});
