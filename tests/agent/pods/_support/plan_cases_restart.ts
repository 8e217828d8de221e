// SPDX-License-Identifier: Apache-2.0
/** Turns after an end or a failed start. */
import { RestartPolicy } from "../../../../lib/shared/wire/mod.ts";
import {
  type Case,
  exited,
  instance,
  NOW,
  podView,
  running,
} from "./plan_scenario.ts";

const { ALWAYS, ON_FAILURE, NEVER } = RestartPolicy;

/** See the file's head. */
export const CASES: Case[] = [];

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
  CASES.push({
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
  CASES.push({
    title: `waits ${delayMs / 1_000} s after ${attempt} restarts in a row`,
    view: podView({ app: { instances: [exited(1, { attempt })] } }),
    waiting: { app: "CrashLoopBackOff" },
    wakeInMs: delayMs,
  });
}
CASES.push({
  title: "counts the delay from the end",
  view: podView({
    app: { instances: [exited(1, { attempt: 2, deadAtMs: NOW - 15_000 })] },
  }),
  waiting: { app: "CrashLoopBackOff" },
  wakeInMs: 5_000,
});
CASES.push({
  title: "restarts when the delay is over",
  view: podView({
    app: { instances: [exited(1, { attempt: 2, deadAtMs: NOW - 20_000 })] },
  }),
  actions: ["start app#3 level 3"],
});
CASES.push({
  title: "starts counting over after ten good minutes",
  view: podView({
    app: { instances: [exited(1, { attempt: 9, ranMs: 600_000 })] },
  }),
  actions: ["start app#10 level 1"],
});
CASES.push({
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
CASES.push({
  title: "removes what was created and never started before it starts again",
  view: podView({ app: { instances: [instance("created")] } }),
  actions: ["remove c0"],
});
CASES.push({
  title: "leaves what a running start has created",
  view: podView({ app: { instances: [instance("created")] } }, {
    busy: new Set(["container/app"]),
  }),
});
CASES.push({
  title: "does not restart one container that has settled beside a living one",
  view: podView({
    a: { instances: [exited(0)] },
    b: { instances: [running()] },
  }, { policy: ON_FAILURE }),
});
CASES.push({
  title: "does not run again what settled in an earlier life of the agent",
  view: podView({ app: { more: { settledExitCode: 0 } } }, {
    policy: ON_FAILURE,
  }),
  ended: true,
});
CASES.push({
  title: "restarts a container whose image was changed",
  view: podView({ app: { instances: [running({ image: "img:0" })] } }),
  actions: ["stop app c0 in 30000 changed"],
});
CASES.push({
  title: "ends a container that a probe has given up",
  view: podView({
    app: {
      instances: [running()],
      more: { unhealthy: { id: "c0", graceMs: 5_000, what: "liveness probe" } },
    },
  }),
  actions: ["stop app c0 in 5000 unhealthy"],
});
CASES.push({
  title: "does not end the successor of a container that a probe gave up",
  view: podView({
    app: {
      instances: [running({ attempt: 1 }), exited(137)],
      more: { unhealthy: { id: "c0", graceMs: 5_000, what: "liveness probe" } },
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
CASES.push({
  title: "shows a failed pull first",
  view: podView({ app: { more: pullFailure(10_000) } }),
  waiting: { app: "ErrImagePull" },
  wakeInMs: 5_000,
});
CASES.push({
  title: "shows the wait for the next pull",
  view: podView({ app: { more: pullFailure(4_000, 6_000) } }),
  waiting: { app: "ImagePullBackOff" },
  wakeInMs: 4_000,
});
CASES.push({
  title: "pulls again when it is time",
  view: podView({ app: { more: pullFailure(0, 10_000) } }),
  actions: ["start app#0 level 0"],
  waiting: { app: "ImagePullBackOff" },
});
CASES.push({
  title: "does not hold the others up for one that can't be started",
  view: podView({ a: { more: pullFailure(10_000) }, b: {} }),
  actions: ["start b#0 level 0"],
  waiting: { a: "ErrImagePull", b: "ContainerCreating" },
  wakeInMs: 5_000,
});
CASES.push({
  title: "forgets a failed start once there is an instance",
  view: podView({
    app: { instances: [exited(128)], more: pullFailure(10_000) },
  }),
  actions: ["start app#1 level 1"],
});
