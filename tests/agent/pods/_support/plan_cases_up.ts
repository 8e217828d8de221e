// SPDX-License-Identifier: Apache-2.0
/** Turns on the way up: volumes, sandbox, init containers, sidecars. */
import { RestartPolicy } from "../../../../lib/shared/wire/mod.ts";
import { type Case, exited, NOW, podView, running } from "./plan_scenario.ts";

const { ALWAYS, ON_FAILURE, NEVER } = RestartPolicy;

/** See the file's head. */
export const CASES: Case[] = [];

// ---------------------------------------------------------------------------------------------------- the way up

CASES.push({
  title: "prepares volumes before anything else",
  view: podView({ app: {} }, {
    sandbox: { kind: "absent", id: "" },
    volumes: { kind: "pending" },
  }),
  actions: ["prepareVolumes"],
  waiting: { app: "ContainerCreating" },
});
CASES.push({
  title: "waits while volumes are being prepared",
  view: podView({ app: {} }, {
    sandbox: { kind: "absent", id: "" },
    volumes: { kind: "pending" },
    busy: new Set(["volumes"]),
  }),
  waiting: { app: "ContainerCreating" },
});
CASES.push({
  title: "waits before it tries failed volumes again",
  view: podView({ app: {} }, {
    sandbox: { kind: "absent", id: "" },
    volumes: { kind: "failed", message: "no", retryAtMs: NOW + 500 },
  }),
  waiting: { app: "ContainerCreating" },
  wakeInMs: 500,
});
CASES.push({
  title: "tries failed volumes again when it is time",
  view: podView({ app: {} }, {
    sandbox: { kind: "absent", id: "" },
    volumes: { kind: "failed", message: "no", retryAtMs: NOW },
  }),
  actions: ["prepareVolumes"],
  waiting: { app: "ContainerCreating" },
});
CASES.push({
  title: "makes the sandbox once volumes are there",
  view: podView({ app: {} }, { sandbox: { kind: "absent", id: "" } }),
  actions: ["ensureSandbox"],
  waiting: { app: "ContainerCreating" },
});
CASES.push({
  title: "waits before it tries a failed sandbox again",
  view: podView({ app: {} }, {
    sandbox: { kind: "absent", id: "" },
    sandboxRetryAtMs: NOW + 2_000,
  }),
  waiting: { app: "ContainerCreating" },
  wakeInMs: 2_000,
});
CASES.push({
  title: "starts all app containers at once",
  view: podView({ a: {}, b: {} }),
  actions: ["start a#0 level 0", "start b#0 level 0"],
  waiting: { a: "ContainerCreating", b: "ContainerCreating" },
});
CASES.push({
  title: "does not start a container whose start runs",
  view: podView({ a: {}, b: {} }, { busy: new Set(["container/a"]) }),
  actions: ["start b#0 level 0"],
  waiting: { a: "ContainerCreating", b: "ContainerCreating" },
});
CASES.push({
  title: "leaves running containers alone",
  view: podView({ app: { instances: [running()] } }),
});
CASES.push({
  title: "starts the others when one container is blocked",
  view: podView({
    a: { blocked: { reason: "CreateContainerConfigError", message: "no map" } },
    b: {},
  }),
  actions: ["start b#0 level 0"],
  waiting: { a: "CreateContainerConfigError", b: "ContainerCreating" },
});
CASES.push({
  title: "leaves a running container alone that is blocked now",
  view: podView({
    a: { blocked: { reason: "x", message: "" }, instances: [running()] },
  }),
});
CASES.push({
  title: "does nothing to a pod about which nobody has said anything",
  view: podView({ app: { instances: [exited(1)] } }, {
    goal: { kind: "leave" },
  }),
});

// -------------------------------------------------------------------------------------------------- init containers

CASES.push({
  title: "starts the first init container alone",
  view: podView({ init1: {}, init2: {}, app: {} }),
  actions: ["start init1#0 level 0"],
  waiting: {
    init1: "PodInitializing",
    init2: "PodInitializing",
    app: "PodInitializing",
  },
});
CASES.push({
  title: "waits for a running init container",
  view: podView({ init1: { instances: [running()] }, app: {} }),
  waiting: { app: "PodInitializing" },
});
CASES.push({
  title: "starts the next init container after success",
  view: podView({ init1: { instances: [exited(0)] }, init2: {}, app: {} }),
  actions: ["start init2#0 level 0"],
  waiting: { init2: "PodInitializing", app: "PodInitializing" },
});
CASES.push({
  title: "starts app containers after the last init container",
  view: podView({ init1: { instances: [exited(0)] }, app: {} }),
  actions: ["start app#0 level 0"],
  waiting: { app: "PodInitializing" },
});
for (const policy of [ALWAYS, ON_FAILURE]) {
  CASES.push({
    title: `starts a failed init container again with policy ${policy}`,
    view: podView({ init1: { instances: [exited(1)] }, app: {} }, { policy }),
    actions: ["start init1#1 level 1"],
    waiting: { app: "PodInitializing" },
  });
}
CASES.push({
  title: "backs off from an init container that keeps failing",
  view: podView({
    init1: { instances: [exited(1, { attempt: 2 })] },
    app: {},
  }),
  waiting: { init1: "CrashLoopBackOff", app: "PodInitializing" },
  wakeInMs: 20_000,
});
CASES.push({
  title: "ends the pod when an init container fails with policy Never",
  view: podView({ init1: { instances: [exited(1)] }, app: {} }, {
    policy: NEVER,
  }),
  waiting: { app: "PodInitializing" },
  ended: true,
});
CASES.push({
  title: "runs init containers again in a new sandbox",
  view: podView({
    init1: { instances: [exited(0, { sandboxId: "s0" })] },
    app: { instances: [exited(137, { sandboxId: "s0" })] },
  }),
  actions: ["start init1#1 level 1"],
});
CASES.push({
  title: "does not run init containers again beside app containers",
  view: podView({ init1: {}, app: { instances: [running()] } }),
  waiting: { init1: "PodInitializing" },
});

// --------------------------------------------------------------------------------------------------------- sidecars

CASES.push({
  title: "goes on past a sidecar that has started",
  view: podView({ side: { instances: [running()] }, init2: {}, app: {} }),
  actions: ["start init2#0 level 0"],
  waiting: { init2: "PodInitializing", app: "PodInitializing" },
});
CASES.push({
  title: "waits for a sidecar's startup probe",
  view: podView({
    side: { instances: [running()], more: { started: false } },
    app: {},
  }),
  waiting: { app: "PodInitializing" },
});
CASES.push({
  title: "starts a sidecar again, whatever the policy, beside app containers",
  view: podView({
    side: { instances: [exited(0)] },
    app: { instances: [running()] },
  }, { policy: NEVER }),
  actions: ["start side#1 level 1"],
});
CASES.push({
  title: "ends sidecars once all app containers have ended",
  view: podView({
    side: { instances: [running()] },
    app: { instances: [exited(0)] },
  }, { policy: NEVER }),
  actions: ["stop side c0 in 30000 finished"],
});
CASES.push({
  title: "has ended with sidecars that failed when they were stopped",
  view: podView({
    side: { instances: [exited(137)] },
    app: { instances: [exited(0)] },
  }, { policy: NEVER }),
  ended: true,
});
CASES.push({
  title: "fails a pod whose sandbox died before all had run, with policy Never",
  view: podView({
    init1: { instances: [exited(0, { sandboxId: "s0" })] },
    app: {},
  }, { policy: NEVER, sandbox: { kind: "dead", id: "s0" } }),
  actions: ["fail SandboxLost"],
  waiting: { app: "PodInitializing" },
});
