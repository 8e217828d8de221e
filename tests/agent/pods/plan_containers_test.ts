// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  ContainerSchema,
  create,
  PodSpecSchema,
  RestartPolicy,
} from "../../../lib/shared/wire/mod.ts";
import {
  isCompleted,
  restartDelayMs,
  toCrashLoopBackOff,
} from "../../../lib/agent/pods/plan_containers.ts";
import {
  assertPlan,
  containerInput,
  exited,
  NOW_MS,
  planInput,
  type PlanScenario,
  running,
  toInstance,
} from "./_support/plan_scenario.ts";

const { ALWAYS, ON_FAILURE, NEVER } = RestartPolicy;
const POLICY_NAMES: Record<RestartPolicy, string> = {
  [ALWAYS]: "Always",
  [ON_FAILURE]: "OnFailure",
  [NEVER]: "Never",
};

function testPlan(scenario: PlanScenario): void {
  Deno.test(`planPod() ${scenario.title}`, () => assertPlan(scenario));
}

for (
  const [name, exitCode, completedUnder] of [
    ["app", 0, [ON_FAILURE, NEVER]],
    ["app", 1, [NEVER]],
    ["init", 0, []],
    ["init", 1, [NEVER]],
    ["sidecar", 0, []],
    ["sidecar", 1, []],
  ] as const
) {
  Deno.test(`isCompleted() follows the restart policy when ${name} exited with ${exitCode}`, () => {
    const container = containerInput(name, { instances: [exited(exitCode)] });
    const completed = [ALWAYS, ON_FAILURE, NEVER].filter((restartPolicy) =>
      isCompleted(container, create(PodSpecSchema, { restartPolicy }))
    );
    assert.deepEqual(completed, completedUnder);
  });
}

Deno.test("isCompleted() is false when the container runs or has never run", () => {
  const spec = create(PodSpecSchema, { restartPolicy: NEVER });
  assert.equal(isCompleted(containerInput("app"), spec), false);
  const container = containerInput("app", { instances: [running()] });
  assert.equal(isCompleted(container, spec), false);
});

Deno.test("restartDelayMs() is 0 for the first restart and after ten minutes", () => {
  assert.equal(restartDelayMs(exited(1)), 0);
  assert.equal(restartDelayMs(exited(1, { attempt: 8, ranMs: 600_000 })), 0);
  assert.equal(
    restartDelayMs(exited(1, { attempt: 8, ranMs: 599_999 })),
    300_000,
  );
});

for (
  const [attempt, text] of [
    [1, "10s"],
    [3, "40s"],
    [4, "1m20s"],
    [6, "5m0s"],
  ] as const
) {
  Deno.test(`toCrashLoopBackOff() formats the delay as "${text}"`, () => {
    const spec = create(ContainerSchema, { name: "app" });
    const pod = create(PodSpecSchema, {
      name: "web",
      namespace: "edge",
      uid: "u1",
    });
    assert.deepEqual(
      toCrashLoopBackOff(spec, { last: exited(1, { attempt }), pod }),
      {
        reason: "CrashLoopBackOff",
        message:
          `back-off ${text} restarting failed container=app pod=web_edge(u1)`,
      },
    );
  });
}

// ---- First start ---------------------------------------------------------------------------

/** What runs while the container is being started as this attempt. */
const startOf = (name: string, attempt = 0) => ({
  busy: new Set([`container/${name}`]),
  starting: new Map([[name, { attempt, image: "img:1" }]]),
});
testPlan({
  title: "starts app containers one after the other",
  input: planInput({ a: {}, b: {} }),
  actions: ["start a#0 level 0"],
  waiting: { a: "ContainerCreating", b: "ContainerCreating" },
});
testPlan({
  title: "starts no app container while the start of one before it runs",
  input: planInput({ a: {}, b: {}, c: {} }, startOf("b")),
  actions: ["start a#0 level 0"],
  waiting: {
    a: "ContainerCreating",
    b: "ContainerCreating",
    c: "ContainerCreating",
  },
});
testPlan({
  title: "starts the next app container when the one before it has started",
  input: planInput({ a: { instances: [running()] }, b: {} }),
  actions: ["start b#0 level 0"],
  waiting: { b: "ContainerCreating" },
});
testPlan({
  title: "takes a container for waiting while its postStart hook runs",
  input: planInput({ a: { instances: [running()] }, b: {} }, startOf("a")),
  waiting: { a: "ContainerCreating", b: "ContainerCreating" },
});
testPlan({
  title: "waits for the postStart hook of a sidecar",
  input: planInput(
    { side: { instances: [running()] }, app: {} },
    startOf("side"),
  ),
  waiting: { side: "PodInitializing", app: "PodInitializing" },
});
testPlan({
  title: "restarts nothing while the restart of a container before it runs",
  input: planInput({
    side: { instances: [exited(1)] },
    a: { instances: [exited(1)] },
    b: { instances: [exited(1, { attempt: 1 })] },
  }, startOf("side", 1)),
  waiting: { b: "CrashLoopBackOff" },
  syncInMs: 10_000,
});
testPlan({
  title: "leaves running containers alone",
  input: planInput({ app: { instances: [running()] } }),
});
testPlan({
  title: "starts the others when one container is blocked",
  input: planInput({
    a: { blocked: { reason: "CreateContainerConfigError", message: "no map" } },
    b: {},
  }),
  actions: ["start b#0 level 0"],
  waiting: { a: "CreateContainerConfigError", b: "ContainerCreating" },
});
testPlan({
  title: "leaves a running container alone when it becomes blocked",
  input: planInput({
    a: { blocked: { reason: "x", message: "" }, instances: [running()] },
  }),
});

// ---- Init containers -----------------------------------------------------------------------

testPlan({
  title: "starts the first init container alone",
  input: planInput({ init1: {}, init2: {}, app: {} }),
  actions: ["start init1#0 level 0"],
  waiting: {
    init1: "PodInitializing",
    init2: "PodInitializing",
    app: "PodInitializing",
  },
});
testPlan({
  title: "waits for a running init container",
  input: planInput({ init1: { instances: [running()] }, app: {} }),
  waiting: { app: "PodInitializing" },
});
testPlan({
  title: "starts the next init container when one has succeeded",
  input: planInput({ init1: { instances: [exited(0)] }, init2: {}, app: {} }),
  actions: ["start init2#0 level 0"],
  waiting: { init2: "PodInitializing", app: "PodInitializing" },
});
testPlan({
  title: "starts app containers when the last init container has succeeded",
  input: planInput({ init1: { instances: [exited(0)] }, app: {} }),
  actions: ["start app#0 level 0"],
  waiting: { app: "PodInitializing" },
});
for (const policy of [ALWAYS, ON_FAILURE]) {
  testPlan({
    title: `restarts a failed init container when the policy is ${
      POLICY_NAMES[policy]
    }`,
    input: planInput({ init1: { instances: [exited(1)] }, app: {} }, {
      policy,
    }),
    actions: ["start init1#1 level 1"],
    waiting: { app: "PodInitializing" },
  });
}
testPlan({
  title: "backs off when an init container keeps failing",
  input: planInput({
    init1: { instances: [exited(1, { attempt: 2 })] },
    app: {},
  }),
  waiting: { init1: "CrashLoopBackOff", app: "PodInitializing" },
  syncInMs: 20_000,
});
testPlan({
  title: "runs init containers again in a new sandbox",
  input: planInput({
    init1: { instances: [exited(0, { sandboxId: "s0" })] },
    app: { instances: [exited(137, { sandboxId: "s0" })] },
  }),
  actions: ["start init1#1 level 1"],
});
testPlan({
  title: "does not run init containers again when an app container has run",
  input: planInput({ init1: {}, app: { instances: [running()] } }),
  waiting: { init1: "PodInitializing" },
});

// ---- Sidecars ------------------------------------------------------------------------------

testPlan({
  title: "goes on when a sidecar has started",
  input: planInput({ side: { instances: [running()] }, init2: {}, app: {} }),
  actions: ["start init2#0 level 0"],
  waiting: { init2: "PodInitializing", app: "PodInitializing" },
});
testPlan({
  title: "waits for a sidecar's startup probe",
  input: planInput({
    side: { instances: [running()], input: { started: false } },
    app: {},
  }),
  waiting: { app: "PodInitializing" },
});
testPlan({
  title: "restarts a sidecar whatever the policy when app containers run",
  input: planInput({
    side: { instances: [exited(0)] },
    app: { instances: [running()] },
  }, { policy: NEVER }),
  actions: ["start side#1 level 1"],
});

// ---- Restarts ------------------------------------------------------------------------------

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
  testPlan({
    title: `${
      restarts ? "restarts" : "does not restart"
    } after exit code ${exitCode} when the policy is ${POLICY_NAMES[policy]}`,
    input: planInput({ app: { instances: [exited(exitCode)] } }, { policy }),
    actions: restarts ? ["start app#1 level 1"] : [],
    terminated: !restarts,
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
  testPlan({
    title: `waits ${delayMs / 1_000} s after ${attempt} restarts in a row`,
    input: planInput({ app: { instances: [exited(1, { attempt })] } }),
    waiting: { app: "CrashLoopBackOff" },
    syncInMs: delayMs,
  });
}
testPlan({
  title: "counts the delay from the exit",
  input: planInput({
    app: {
      instances: [exited(1, { attempt: 2, exitedAtMs: NOW_MS - 15_000 })],
    },
  }),
  waiting: { app: "CrashLoopBackOff" },
  syncInMs: 5_000,
});
testPlan({
  title: "restarts when the delay is over",
  input: planInput({
    app: {
      instances: [exited(1, { attempt: 2, exitedAtMs: NOW_MS - 20_000 })],
    },
  }),
  actions: ["start app#3 level 3"],
});
testPlan({
  title: "resets the back-off when the instance ran for ten minutes",
  input: planInput({
    app: { instances: [exited(1, { attempt: 9, ranMs: 600_000 })] },
  }),
  actions: ["start app#10 level 1"],
});
testPlan({
  title: "keeps the newest instance and the one before it",
  input: planInput({
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
testPlan({
  title: "removes an instance that was never started before it starts another",
  input: planInput({ app: { instances: [toInstance("created")] } }),
  actions: ["remove c0"],
});
testPlan({
  title: "keeps an instance that was created by a start that runs",
  input: planInput({ app: { instances: [toInstance("created")] } }, {
    busy: new Set(["container/app"]),
  }),
});
testPlan({
  title: "does not restart a completed container when another one runs",
  input: planInput({
    a: { instances: [exited(0)] },
    b: { instances: [running()] },
  }, { policy: ON_FAILURE }),
});
testPlan({
  title: "does not run a container again when the record has it as completed",
  input: planInput({ app: { input: { completedExitCode: 0 } } }, {
    policy: ON_FAILURE,
  }),
  terminated: true,
});
testPlan({
  title: "restarts a container when its image was changed",
  input: planInput({ app: { instances: [running({ image: "img:0" })] } }),
  actions: ["stop app c0 in 30000 changed"],
});
testPlan({
  title: "stops a container that is unhealthy",
  input: planInput({
    app: {
      instances: [running()],
      input: {
        unhealthy: { id: "c0", graceMs: 5_000, failedCheck: "liveness probe" },
      },
    },
  }),
  actions: ["stop app c0 in 5000 unhealthy"],
});
testPlan({
  title: "does not stop the successor of an unhealthy instance",
  input: planInput({
    app: {
      instances: [running({ attempt: 1 }), exited(137)],
      input: {
        unhealthy: { id: "c0", graceMs: 5_000, failedCheck: "liveness probe" },
      },
    },
  }),
});

// ---- Changed images ------------------------------------------------------------------------

testPlan({
  title: "starts a changed image at once when the one before was in back-off",
  input: planInput({
    app: { instances: [exited(1, { attempt: 5, image: "img:0" })] },
  }),
  actions: ["start app#6 level 0"],
});
testPlan({
  title: "pulls a changed image at once when the pull of the one before failed",
  input: planInput({
    app: {
      input: {
        startFailure: {
          attempt: 0,
          image: "img:0",
          reason: "ErrImagePull",
          message: "",
          failedAtMs: NOW_MS,
          retryAtMs: NOW_MS + 300_000,
        },
      },
    },
  }),
  actions: ["start app#0 level 0"],
  waiting: { app: "ContainerCreating" },
});
testPlan({
  title: "aborts the start of an image that is not in the spec any more",
  input: planInput({ app: {} }, {
    busy: new Set(["container/app"]),
    starting: new Map([["app", { attempt: 0, image: "img:0" }]]),
  }),
  waiting: { app: "ContainerCreating" },
  aborts: ["container/app"],
});
for (const policy of [ALWAYS, ON_FAILURE, NEVER]) {
  testPlan({
    title:
      `starts a container that was stopped to be replaced when the policy is ${
        POLICY_NAMES[policy]
      }`,
    input: planInput({
      app: {
        instances: [exited(0, { image: "img:0" })],
        input: { replacedId: "c0" },
      },
    }, { policy }),
    actions: ["start app#1 level 0"],
  });
}
testPlan({
  title: "does not run a completed container again when its image was changed",
  input: planInput({ app: { instances: [exited(0, { image: "img:0" })] } }, {
    policy: NEVER,
  }),
  terminated: true,
});

testPlan({
  title: "gives an unhealthy container at least two seconds",
  input: planInput({
    app: {
      instances: [running()],
      input: {
        unhealthy: { id: "c0", graceMs: 0, failedCheck: "liveness probe" },
      },
    },
  }),
  actions: ["stop app c0 in 2000 unhealthy"],
});

// ---- Failed starts -------------------------------------------------------------------------

const pullFailure = (retryInMs: number, failedAgoMs = 0) => ({
  startFailure: {
    attempt: 0,
    image: "img:1",
    reason: "ErrImagePull",
    message: "no such image",
    failedAtMs: NOW_MS - failedAgoMs,
    retryAtMs: NOW_MS + retryInMs,
  },
});
testPlan({
  title: "shows ErrImagePull when a pull has just failed",
  input: planInput({ app: { input: pullFailure(10_000) } }),
  waiting: { app: "ErrImagePull" },
  syncInMs: 5_000,
});
testPlan({
  title: "shows ImagePullBackOff when a pull failed 5 s ago",
  input: planInput({ app: { input: pullFailure(4_000, 6_000) } }),
  waiting: { app: "ImagePullBackOff" },
  syncInMs: 4_000,
});
testPlan({
  title: "pulls again when the back-off is over",
  input: planInput({ app: { input: pullFailure(0, 10_000) } }),
  actions: ["start app#0 level 0"],
  waiting: { app: "ImagePullBackOff" },
});
testPlan({
  title: "starts the others when one container can't be started",
  input: planInput({ a: { input: pullFailure(10_000) }, b: {} }),
  actions: ["start b#0 level 0"],
  waiting: { a: "ErrImagePull", b: "ContainerCreating" },
  syncInMs: 5_000,
});
testPlan({
  title: "ignores a failed start when there is an instance of that attempt",
  input: planInput({
    app: { instances: [exited(128)], input: pullFailure(10_000) },
  }),
  actions: ["start app#1 level 1"],
});
