// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { RestartPolicy } from "../../../lib/shared/wire/mod.ts";
import { planPod } from "../../../lib/agent/pods/plan.ts";
import {
  type Action,
  actionKey,
} from "../../../lib/agent/pods/plan_builder.ts";
import {
  findRunning,
  type PlanInput,
} from "../../../lib/agent/pods/plan_input.ts";
import {
  assertPlan,
  exited,
  NOW_MS,
  planInput,
  type PlanScenario,
  running,
  toInstance,
} from "./_support/plan_scenario.ts";

const { ALWAYS, ON_FAILURE, NEVER } = RestartPolicy;

function testPlan(scenario: PlanScenario): void {
  Deno.test(`planPod() ${scenario.title}`, () => assertPlan(scenario));
}

// ---- Volumes -------------------------------------------------------------------------------

testPlan({
  title: "prepares volumes before anything else",
  input: planInput({ app: {} }, {
    sandbox: { kind: "absent", id: "" },
    volumes: { kind: "pending" },
  }),
  actions: ["prepareVolumes"],
  waiting: { app: "ContainerCreating" },
});
testPlan({
  title: "waits while volumes are being prepared",
  input: planInput({ app: {} }, {
    sandbox: { kind: "absent", id: "" },
    volumes: { kind: "pending" },
    busy: new Set(["volumes"]),
  }),
  waiting: { app: "ContainerCreating" },
});
testPlan({
  title: "backs off when volumes failed",
  input: planInput({ app: {} }, {
    sandbox: { kind: "absent", id: "" },
    volumes: { kind: "failed", message: "no", retryAtMs: NOW_MS + 500 },
  }),
  waiting: { app: "ContainerCreating" },
  syncInMs: 500,
});
testPlan({
  title: "prepares failed volumes again when the back-off is over",
  input: planInput({ app: {} }, {
    sandbox: { kind: "absent", id: "" },
    volumes: { kind: "failed", message: "no", retryAtMs: NOW_MS },
  }),
  actions: ["prepareVolumes"],
  waiting: { app: "ContainerCreating" },
});

testPlan({
  title: "waits for another spec when a volume can't be set up with this one",
  input: planInput({ app: {} }, {
    sandbox: { kind: "absent", id: "" },
    volumes: { kind: "blocked", message: "no ConfigMap" },
  }),
  waiting: { app: "ContainerCreating" },
});
testPlan({
  title: "starts nothing while a volume is blocked, and leaves alone what runs",
  input: planInput({ a: { instances: [running()] }, b: {} }, {
    volumes: { kind: "blocked", message: "no ConfigMap" },
  }),
  waiting: { b: "ContainerCreating" },
});

// ---- Sandbox -------------------------------------------------------------------------------

testPlan({
  title: "creates the sandbox once volumes are ready",
  input: planInput({ app: {} }, { sandbox: { kind: "absent", id: "" } }),
  actions: ["ensureSandbox"],
  waiting: { app: "ContainerCreating" },
});
testPlan({
  title: "backs off when the sandbox failed",
  input: planInput({ app: {} }, {
    sandbox: { kind: "absent", id: "" },
    sandboxRetryAtMs: NOW_MS + 2_000,
  }),
  waiting: { app: "ContainerCreating" },
  syncInMs: 2_000,
});
testPlan({
  title: "replaces an exited sandbox at once when the device was rebooted",
  input: planInput({
    app: { instances: [exited(137, { attempt: 5, sandboxId: "s0" })] },
  }, { sandbox: { kind: "exited", id: "s0" } }),
  actions: ["ensureSandbox"],
});
testPlan({
  title: "does not back off a restart in a new sandbox",
  input: planInput({
    app: { instances: [exited(137, { attempt: 5, sandboxId: "s0" })] },
  }),
  actions: ["start app#6 level 6"],
});
testPlan({
  title: "stops what runs in an exited sandbox before it creates another",
  input: planInput({ app: { instances: [running()] } }, {
    sandbox: { kind: "exited", id: "s1" },
  }),
  actions: ["stop app c0 in 30000 sandbox"],
});
testPlan({
  title: "aborts the postStart hook of a container whose sandbox has exited",
  input: planInput({ app: { instances: [running()] } }, {
    sandbox: { kind: "exited", id: "s1" },
    busy: new Set(["container/app"]),
    starting: new Map([["app", { attempt: 0, image: "img:1" }]]),
  }),
  waiting: { app: "ContainerCreating" },
  aborts: ["container/app"],
});
testPlan({
  title: "does not run a pod again after a reboot when its policy is Never",
  input: planInput({ app: { instances: [exited(137)] } }, {
    policy: NEVER,
    sandbox: { kind: "exited", id: "s1" },
  }),
  terminated: true,
});
testPlan({
  title: "does not create a sandbox when the pod has succeeded",
  input: planInput({ app: { instances: [exited(0)] } }, {
    policy: ON_FAILURE,
    sandbox: { kind: "absent", id: "" },
  }),
  terminated: true,
});
testPlan({
  title:
    "fails the pod when its sandbox was lost before all had run and its policy is Never",
  input: planInput({
    init1: { instances: [exited(0, { sandboxId: "s0" })] },
    app: {},
  }, { policy: NEVER, sandbox: { kind: "exited", id: "s0" } }),
  actions: ["fail SandboxLost"],
  waiting: { app: "PodInitializing" },
});

// ---- End of the pod ------------------------------------------------------------------------

testPlan({
  title: "ends the pod when an init container failed and its policy is Never",
  input: planInput({ init1: { instances: [exited(1)] }, app: {} }, {
    policy: NEVER,
  }),
  waiting: { app: "PodInitializing" },
  terminated: true,
});
const failed = { kind: "fail", stopByMs: NOW_MS + 30_000 } as const;
for (
  const [title, changes] of [
    ["has finished", { policy: NEVER }],
    ["has failed", { goal: failed }],
  ] as const
) {
  testPlan({
    title: `releases sandbox and volumes of a pod that ${title}`,
    input: planInput({ app: { instances: [exited(0)] } }, {
      ...changes,
      isReleased: false,
    }),
    actions: ["release"],
    terminated: true,
  });
  testPlan({
    title: `releases nothing while a container runs in a pod that ${title}`,
    input: planInput({
      side: { instances: [running()] },
      app: { instances: [exited(0)] },
    }, {
      ...changes,
      isReleased: false,
      busy: new Set(["container/side"]),
      stopping: new Map([["side", { stopByMs: NOW_MS, isHeld: false }]]),
    }),
  });
}
testPlan({
  title: "stops sidecars when all app containers have completed",
  input: planInput({
    side: { instances: [running()] },
    app: { instances: [exited(0)] },
  }, { policy: NEVER }),
  actions: ["stop side c0 in 30000 finished"],
});
testPlan({
  title: "ends the pod when its sidecars failed while they were stopped",
  input: planInput({
    side: { instances: [exited(137)] },
    app: { instances: [exited(0)] },
  }, { policy: NEVER }),
  terminated: true,
});
testPlan({
  title: "fails the pod when its active deadline is over",
  input: planInput({ app: { instances: [running()] } }, {
    deadlineAtMs: NOW_MS,
  }),
  actions: ["fail DeadlineExceeded"],
});
testPlan({
  title: "fails a pod that the device's owner forbids now",
  input: planInput({ app: { instances: [running()] } }, {
    forbidden: "Cannot run pod",
  }),
  actions: ["fail ForbiddenByDevice"],
});
testPlan({
  title: "does not fail a pod that has finished before it was forbidden",
  input: planInput({ app: { instances: [exited(0)] } }, {
    policy: ON_FAILURE,
    forbidden: "Cannot run pod",
  }),
  terminated: true,
});
testPlan({
  title: "does not fail a pod that has finished before its active deadline",
  input: planInput({ app: { instances: [exited(0)] } }, {
    policy: ON_FAILURE,
    deadlineAtMs: NOW_MS,
  }),
  terminated: true,
});
testPlan({
  title: "does not sync a finished pod at its active deadline",
  input: planInput({ app: { instances: [exited(0)] } }, {
    policy: ON_FAILURE,
    deadlineAtMs: NOW_MS + 70,
  }),
  terminated: true,
});
testPlan({
  title: "syncs at the active deadline",
  input: planInput({ app: { instances: [running()] } }, {
    deadlineAtMs: NOW_MS + 70,
  }),
  syncInMs: 70,
});
testPlan({
  title: "stops the containers of a failed pod and does not restart them",
  input: planInput({
    a: { instances: [running()] },
    b: { instances: [exited(1)] },
  }, { goal: { kind: "fail", stopByMs: NOW_MS + 30_000 } }),
  actions: ["stop a c0 in 30000 failed"],
});

// ---- Removal -------------------------------------------------------------------------------

const remove = (stopInMs: number) => ({
  goal: { kind: "remove", stopByMs: NOW_MS + stopInMs } as const,
});
/** A stop of this container that runs and ends in 30 s. */
const stopOf = (name: string) =>
  new Map([[name, { stopByMs: NOW_MS + 30_000, isHeld: false }]]);
testPlan({
  title: "does nothing when the pod is unmanaged",
  input: planInput({ app: { instances: [exited(1)] } }, {
    goal: { kind: "unmanaged" },
  }),
});
testPlan({
  title: "stops all app containers at once when the pod is removed",
  input: planInput(
    { a: { instances: [running()] }, b: { instances: [running()] } },
    remove(30_000),
  ),
  actions: ["stop a c0 in 30000 removed", "stop b c0 in 30000 removed"],
});
testPlan({
  title: "does not repeat a stop that runs",
  input: planInput({ a: { instances: [running()] } }, {
    ...remove(30_000),
    busy: new Set(["container/a"]),
    stopping: stopOf("a"),
  }),
});
testPlan({
  title: "shortens a stop that runs when the grace period got shorter",
  input: planInput({ a: { instances: [running()] } }, {
    ...remove(5_000),
    busy: new Set(["container/a"]),
    stopping: stopOf("a"),
  }),
  actions: ["stop a c0 in 5000 removed"],
});
testPlan({
  title:
    "stops sidecars after the app containers, one after the other from the last to the first",
  input: planInput({
    side1: { instances: [running()] },
    side2: { instances: [running()] },
    app: { instances: [exited(0)] },
  }, remove(30_000)),
  actions: [
    "stop side1 c0 in 30000 removed held",
    "stop side2 c0 in 30000 removed",
  ],
});
testPlan({
  title:
    "begins the stop of a sidecar with that of the app containers, and holds its signal back",
  input: planInput({
    side: { instances: [running()] },
    app: { instances: [running()] },
  }, {
    ...remove(30_000),
    busy: new Set(["container/app"]),
    stopping: stopOf("app"),
  }),
  actions: ["stop side c0 in 30000 removed held"],
});
for (
  const [state, instance, actions] of [
    ["still runs", running(), []],
    ["has exited", exited(0), ["stop side c0 in 20000 removed"]],
  ] as const
) {
  testPlan({
    title:
      `sends a held sidecar its signal when the app container has exited, here: ${state}`,
    input: planInput({
      side: { instances: [running()] },
      app: { instances: [instance] },
    }, {
      ...remove(30_000),
      busy: new Set(["container/app", "container/side"]),
      stopping: new Map([
        ...stopOf("app"),
        ["side", { stopByMs: NOW_MS + 20_000, isHeld: true }],
      ]),
    }),
    actions: [...actions],
  });
}
testPlan({
  title: "starts nothing when the pod is removed",
  input: planInput({ init1: { instances: [exited(1)] }, app: {} }, remove(0)),
  terminated: true,
});
testPlan({
  title: "does not end the pod while an action runs",
  input: planInput({ app: {} }, { ...remove(0), busy: new Set(["volumes"]) }),
  aborts: ["volumes"],
});
for (
  const goal of [
    remove(30_000).goal,
    { kind: "fail", stopByMs: NOW_MS + 30_000 } as const,
  ]
) {
  testPlan({
    title:
      `aborts starts and waits for their end when the goal is ${goal.kind}`,
    input: planInput({ app: {} }, {
      goal,
      busy: new Set(["container/app", "sandbox", "remove/c9"]),
      starting: new Map([["app", { attempt: 0, image: "img:1" }]]),
    }),
    aborts: ["container/app", "sandbox"],
  });
  testPlan({
    title:
      `removes an instance that was created before the pod ends when the goal is ${goal.kind}`,
    input: planInput({ app: { instances: [toInstance("created")] } }, { goal }),
    actions: ["remove c0"],
  });
}
testPlan({
  title: "aborts the start of a sidecar when the pod has finished",
  input: planInput({
    side: { instances: [exited(1)] },
    app: { instances: [exited(0)] },
  }, {
    policy: NEVER,
    busy: new Set(["container/side"]),
    starting: new Map([["side", { attempt: 1, image: "img:1" }]]),
  }),
  aborts: ["container/side"],
});
testPlan({
  title: "purges only when nothing runs that could leave a container behind",
  input: planInput({ a: {} }, {
    goal: { kind: "purge" },
    busy: new Set(["sandbox", "container/a"]),
  }),
  aborts: ["container/a", "sandbox"],
});
testPlan({
  title: "purges a pod",
  input: planInput({ a: {} }, { goal: { kind: "purge" } }),
  actions: ["purge"],
});
testPlan({
  title: "does not purge a pod again while that runs",
  input: planInput({ a: {} }, {
    goal: { kind: "purge" },
    busy: new Set(["purge"]),
  }),
});

// ---- Properties ----------------------------------------------------------------------------

/** Returns numbers from 0 up to a limit, the same ones each time. */
function createRandom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    // Constants of "Numerical Recipes".
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(state / 2 ** 32 * limit);
  };
}

function createRandomInput(seed: number): PlanInput {
  const random = createRandom(seed);
  const pick = <T>(...values: T[]): T => values[random(values.length)] as T;
  const containers = Object.fromEntries(
    ["init1", "side", "init2", "a", "b"].filter(() => random(4) > 0).map(
      (name) => [name, {
        instances: pick(
          [],
          [running()],
          [exited(random(2))],
          [running({ attempt: 1 }), exited(1)],
          [exited(1, { attempt: 5, sandboxId: "s0" }), exited(0)],
        ),
        input: { started: random(2) === 0 },
      }],
    ),
  );
  const stopByMs = NOW_MS + random(60_000);
  const goal = pick<PlanInput["goal"]["kind"]>(
    "run",
    "unmanaged",
    "fail",
    "remove",
    "purge",
  );
  return planInput(containers, {
    policy: pick(ALWAYS, ON_FAILURE, NEVER),
    goal: { kind: goal, stopByMs },
    sandbox: { kind: pick("ready", "exited", "absent"), id: "s1" },
    volumes: pick<PlanInput["volumes"]>({ kind: "ready" }, { kind: "pending" }),
    isReleased: random(2) === 0,
    busy: new Set(
      ["sandbox", "volumes", "purge", "container/a"].filter(() =>
        random(5) === 0
      ),
    ),
  });
}

Deno.test("planPod() holds its invariants when the input is random", () => {
  for (let seed = 0; seed < 2_000; seed++) {
    const input = createRandomInput(seed);
    const before = structuredClone(input);
    const { actions, aborts, isEnding, terminated } = planPod(input);
    const message = `seed ${seed}: ${JSON.stringify(actions)}`;
    assert.deepEqual(structuredClone(input), before, message);
    const keys = actions.map(actionKey);
    assert.equal(new Set(keys).size, keys.length, message);
    assert.ok(!keys.some((key) => input.busy.has(key)), message);
    assert.ok([...aborts].every((key) => input.busy.has(key)), message);
    const isStart = ({ kind }: Action) =>
      kind === "start" || kind === "ensureSandbox" || kind === "prepareVolumes";
    const goal = input.goal.kind;
    assert.ok(goal === "run" || !actions.some(isStart), message);
    const starts = actions.some(({ kind }) => kind === "start");
    assert.ok(!starts || input.sandbox.kind === "ready", message);
    assert.ok(!starts || input.volumes.kind === "ready", message);
    const isRunning = input.containers.some(findRunning);
    assert.ok(!terminated || (!isRunning && input.busy.size === 0), message);
    const mayEnd = goal === "run" || goal === "unmanaged";
    assert.ok(mayEnd || isEnding, message);
    assert.ok(!terminated || isEnding, message);
    const releases = actions.some(({ kind }) => kind === "release");
    assert.ok(!releases || (terminated && !input.isReleased), message);
  }
});
