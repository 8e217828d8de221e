// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type {
  KubeContainerStatus,
  Pod,
} from "../../../lib/operator/kube/mod.ts";
import {
  conditionsOf,
  isTerminal,
  phaseOf,
  type PodView,
} from "../../../lib/operator/podspec/phase.ts";
import { pod } from "./_support/fixtures.ts";

type Policy = NonNullable<Pod["spec"]["restartPolicy"]>;

/** w: waits, r: runs, 0 and 1: ended with this code, b: waits after an end with 1. */
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

interface ViewOptions {
  init?: string;
  /** Index of an init container that is a sidecar. */
  sidecar?: number;
  policy?: Policy;
  phase?: "Succeeded" | "Failed";
  gone?: boolean;
  failed?: boolean;
  gates?: string[];
  conditions?: { type: string; status: "True" | "False" }[];
}

function view(marks: string, options: ViewOptions = {}): PodView {
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
    gone: options.gone ?? false,
    failed: options.failed ?? false,
  };
}

Deno.test("phaseOf() follows the containers in the order of the spec", () => {
  const cases: [string, ViewOptions, string][] = [
    // Nothing has started, or not everything.
    ["w", {}, "Pending"],
    ["rw", {}, "Pending"],
    ["r", {}, "Running"],
    ["rr", {}, "Running"],
    ["r0", {}, "Running"],
    ["r1", { policy: "Never" }, "Running"],
    // Always: never over.
    ["0", {}, "Running"],
    ["1", {}, "Running"],
    ["b", {}, "Running"],
    ["00", {}, "Running"],
    // OnFailure
    ["0", { policy: "OnFailure" }, "Succeeded"],
    ["1", { policy: "OnFailure" }, "Running"],
    ["b", { policy: "OnFailure" }, "Running"],
    ["0b", { policy: "OnFailure" }, "Running"],
    ["00", { policy: "OnFailure" }, "Succeeded"],
    // Never: the last container does not decide, whichever it is.
    ["0", { policy: "Never" }, "Succeeded"],
    ["01", { policy: "Never" }, "Failed"],
    ["10", { policy: "Never" }, "Failed"],
    ["1r", { policy: "Never" }, "Running"],
    // Initialisation
    ["w", { init: "r" }, "Pending"],
    ["w", { init: "0r" }, "Pending"],
    ["w", { init: "1" }, "Pending"],
    ["w", { init: "b", policy: "OnFailure" }, "Pending"],
    ["w", { init: "1", policy: "Never" }, "Failed"],
    ["w", { init: "01", policy: "Never" }, "Failed"],
    ["w", { init: "00" }, "Pending"],
    ["r", { init: "00" }, "Running"],
    // A sidecar that runs keeps the pod alive, and its end is nobody's failure.
    ["r", { init: "r", sidecar: 0 }, "Running"],
    ["0", { init: "r", sidecar: 0, policy: "Never" }, "Running"],
    ["0", { init: "1", sidecar: 0, policy: "Never" }, "Succeeded"],
    // Nothing lives, nothing will.
    ["0", { gone: true }, "Succeeded"],
    ["1", { gone: true }, "Failed"],
    ["0w", { gone: true }, "Failed"],
    ["0", { gone: true, failed: true }, "Failed"],
    // Terminal never reverts.
    ["r", { phase: "Succeeded" }, "Succeeded"],
    ["0", { phase: "Failed", policy: "Never" }, "Failed"],
  ];
  for (const [marks, options, expected] of cases) {
    assert.equal(
      phaseOf(view(marks, options)),
      expected,
      `${marks} ${JSON.stringify(options)}`,
    );
  }
});

/** `Ready=False ContainersNotReady: …` by type. */
function told(seen: PodView): Record<string, string> {
  return Object.fromEntries(
    conditionsOf(seen).map(({ type, status, reason, message }) => [
      type,
      [status, reason, message].filter(Boolean).join(" "),
    ]),
  );
}

Deno.test("conditionsOf() says what keeps a pod from being ready", () => {
  assert.deepEqual(told(view("rw")), {
    PodReadyToStartContainers: "True",
    Initialized: "True",
    ContainersReady:
      "False ContainersNotReady containers with unready status: [c1]",
    Ready: "False ContainersNotReady containers with unready status: [c1]",
  });
  assert.equal(told(view("r")).Ready, "True");
  assert.equal(
    told(view("w", { init: "0r" })).Initialized,
    "False ContainersNotInitialized containers with incomplete status: [c1]",
  );
  assert.equal(
    told(view("0", { policy: "Never" })).Ready,
    "False PodCompleted",
  );
  assert.equal(told(view("1", { policy: "Never" })).Ready, "False PodFailed");
});

Deno.test("conditionsOf() heeds readiness gates for Ready alone", () => {
  const gates = ["example.com/gate"];
  const open = view("r", {
    gates,
    conditions: [{ type: "example.com/gate", status: "True" }],
  });
  assert.equal(told(open).Ready, "True");
  const closed = told(view("r", {
    gates,
    conditions: [{ type: "example.com/gate", status: "False" }],
  }));
  assert.equal(closed.ContainersReady, "True");
  assert.match(closed.Ready ?? "", /^False ReadinessGatesNotReady/);
  assert.match(told(view("r", { gates })).Ready ?? "", /does not exist/);
});

Deno.test("isTerminal() is true for the two phases that end a pod", () => {
  assert.deepEqual(
    ["Pending", "Running", "Succeeded", "Failed", undefined].filter(isTerminal),
    ["Succeeded", "Failed"],
  );
});
