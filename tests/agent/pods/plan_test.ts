// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { RestartPolicy } from "../../../lib/shared/wire/mod.ts";
import { planPod } from "../../../lib/agent/pods/plan.ts";
import { CASES as RESTART_CASES } from "./_support/plan_cases_restart.ts";
import { CASES as UP_CASES } from "./_support/plan_cases_up.ts";
import {
  type Case,
  exited,
  NOW,
  podView,
  running,
  sayAction,
} from "./_support/plan_scenario.ts";

const { ON_FAILURE, NEVER } = RestartPolicy;

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

for (const one of [...UP_CASES, ...RESTART_CASES]) check(one);

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
