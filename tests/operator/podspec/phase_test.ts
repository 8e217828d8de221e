// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type {
  KubeContainerStatus,
  Pod,
} from "../../../lib/operator/kube/mod.ts";
import {
  isTerminal,
  type PodPhaseInput,
  toPhase,
  toPodConditions,
} from "../../../lib/operator/podspec/phase.ts";
import { pod } from "./_support/fixtures.ts";

type Policy = NonNullable<Pod["spec"]["restartPolicy"]>;

/** w: waiting, r: running, 0 and 1: terminated with this code, b: waiting after an exit with 1. */
type Mark = "w" | "r" | "0" | "1" | "b";

function status(mark: Mark, index: number): KubeContainerStatus {
  const ended = { terminated: { exitCode: mark === "0" ? 0 : 1 } };
  const state = mark === "r"
    ? { running: {} }
    : mark === "0" || mark === "1"
    ? ended
    : { waiting: { reason: "x" } };
  return {
    name: `c${index}`,
    state,
    lastState: mark === "b" ? ended : {},
    ready: mark === "r",
    started: mark === "r",
    restartCount: mark === "b" ? 1 : 0,
    image: "i",
    imageID: "",
  };
}

interface InputOptions {
  init?: string;
  /** Index of an init container that is a sidecar. */
  sidecar?: number;
  policy?: Policy;
  phase?: "Succeeded" | "Failed";
  terminated?: boolean;
  failed?: boolean;
  gates?: string[];
  conditions?: { type: string; status: "True" | "False" }[];
}

function input(marks: string, options: InputOptions = {}): PodPhaseInput {
  const { init = "", sidecar, policy = "Always", phase, gates = [] } = options;
  const statuses = (text: string) =>
    [...text].map((mark, index) => status(mark as Mark, index));
  const base = pod({
    restartPolicy: policy,
    initContainers: [...init].map((_mark, index) => ({
      name: `c${index}`,
      ...(index === sidecar ? { restartPolicy: "Always" } : {}),
    })),
    readinessGates: gates.map((conditionType) => ({ conditionType })),
  });
  base.status = {
    ...(phase ? { phase } : {}),
    conditions: options.conditions ?? [],
  };
  return {
    pod: base,
    init: statuses(init),
    containers: statuses(marks),
    sandboxReady: true,
    terminated: options.terminated ?? false,
    failed: options.failed ?? false,
  };
}

Deno.test("toPhase() follows the states of init containers and containers", () => {
  const cases: [string, InputOptions, string][] = [
    // Some container has not started.
    ["w", {}, "Pending"],
    ["rw", {}, "Pending"],
    ["r", {}, "Running"],
    ["rr", {}, "Running"],
    ["r0", {}, "Running"],
    ["r1", { policy: "Never" }, "Running"],
    // restartPolicy Always: never terminal
    ["0", {}, "Running"],
    ["1", {}, "Running"],
    ["b", {}, "Running"],
    ["00", {}, "Running"],
    // restartPolicy OnFailure
    ["0", { policy: "OnFailure" }, "Succeeded"],
    ["1", { policy: "OnFailure" }, "Running"],
    ["b", { policy: "OnFailure" }, "Running"],
    ["0b", { policy: "OnFailure" }, "Running"],
    ["00", { policy: "OnFailure" }, "Succeeded"],
    // restartPolicy Never: any failed container decides
    ["0", { policy: "Never" }, "Succeeded"],
    ["01", { policy: "Never" }, "Failed"],
    ["10", { policy: "Never" }, "Failed"],
    ["1r", { policy: "Never" }, "Running"],
    // init containers
    ["w", { init: "r" }, "Pending"],
    ["w", { init: "0r" }, "Pending"],
    ["w", { init: "1" }, "Pending"],
    ["w", { init: "b", policy: "OnFailure" }, "Pending"],
    ["w", { init: "1", policy: "Never" }, "Failed"],
    ["w", { init: "01", policy: "Never" }, "Failed"],
    ["w", { init: "00" }, "Pending"],
    // Never terminal while a container runs, be it a sidecar.
    ["w", { init: "r1", sidecar: 0, policy: "Never" }, "Pending"],
    ["r", { init: "00" }, "Running"],
    // A running sidecar keeps the pod Running; its exit code does not count.
    ["r", { init: "r", sidecar: 0 }, "Running"],
    ["0", { init: "r", sidecar: 0, policy: "Never" }, "Running"],
    ["0", { init: "1", sidecar: 0, policy: "Never" }, "Succeeded"],
    // No container runs, none will be started.
    ["0", { terminated: true }, "Succeeded"],
    ["1", { terminated: true }, "Failed"],
    ["0w", { terminated: true }, "Failed"],
    ["0", { terminated: true, failed: true }, "Failed"],
    // A pod that failed as a whole, e.g. Evicted: Failed once none of its containers runs.
    ["1", { failed: true }, "Failed"],
    ["b", { failed: true }, "Failed"],
    ["0", { failed: true, policy: "OnFailure" }, "Failed"],
    ["1", { failed: true, policy: "OnFailure" }, "Failed"],
    ["0", { failed: true, policy: "Never" }, "Failed"],
    ["w", { failed: true }, "Failed"],
    ["w", { failed: true, init: "1", policy: "OnFailure" }, "Failed"],
    ["w", { failed: true, init: "0", policy: "Never" }, "Failed"],
    ["r1", { failed: true, policy: "Never" }, "Running"],
    ["0", { failed: true, init: "r", sidecar: 0, policy: "Never" }, "Running"],
    ["w", { failed: true, init: "r" }, "Pending"],
    ["1", { failed: true, phase: "Succeeded" }, "Succeeded"],
    // A terminal phase never changes.
    ["r", { phase: "Succeeded" }, "Succeeded"],
    ["0", { phase: "Failed", policy: "Never" }, "Failed"],
  ];
  for (const [marks, options, expected] of cases) {
    assert.equal(
      toPhase(input(marks, options)),
      expected,
      `${marks} ${JSON.stringify(options)}`,
    );
  }
});

/** Returns "False ContainersNotReady …" by condition type. */
function summarize(input: PodPhaseInput): Record<string, string> {
  return Object.fromEntries(
    toPodConditions(input).map(({ type, status, reason, message }) => [
      type,
      [status, reason, message].filter(Boolean).join(" "),
    ]),
  );
}

Deno.test("toPodConditions() names what keeps a pod from being Ready", () => {
  assert.deepEqual(summarize(input("rw")), {
    PodReadyToStartContainers: "True",
    Initialized: "True",
    ContainersReady:
      "False ContainersNotReady containers with unready status: [c1]",
    Ready: "False ContainersNotReady containers with unready status: [c1]",
  });
  assert.equal(summarize(input("r")).Ready, "True");
  assert.equal(
    summarize(input("w", { init: "0r" })).Initialized,
    "False ContainersNotInitialized containers with incomplete status: [c1]",
  );
  assert.equal(
    summarize(input("0", { policy: "Never" })).Ready,
    "False PodCompleted",
  );
  assert.equal(
    summarize(input("1", { policy: "Never" })).Ready,
    "False PodFailed",
  );
});

Deno.test("toPodConditions() applies readiness gates to Ready only", () => {
  const gates = ["example.com/gate"];
  const open = input("r", {
    gates,
    conditions: [{ type: "example.com/gate", status: "True" }],
  });
  assert.equal(summarize(open).Ready, "True");
  const closed = summarize(input("r", {
    gates,
    conditions: [{ type: "example.com/gate", status: "False" }],
  }));
  assert.equal(closed.ContainersReady, "True");
  assert.match(closed.Ready ?? "", /^False ReadinessGatesNotReady/);
  assert.match(summarize(input("r", { gates })).Ready ?? "", /does not exist/);
});

Deno.test("isTerminal() is true for Succeeded and Failed", () => {
  assert.deepEqual(
    ["Pending", "Running", "Succeeded", "Failed", undefined].filter(isTerminal),
    ["Succeeded", "Failed"],
  );
});
