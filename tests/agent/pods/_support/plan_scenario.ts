// SPDX-License-Identifier: Apache-2.0
/** Inputs of the planner in few words, and what is expected of the plan. */
import assert from "node:assert/strict";
import type { RuntimeContainer } from "../../../../lib/agent/runtime/mod.ts";
import {
  ContainerSchema,
  create,
  PodSpecSchema,
  RestartPolicy,
} from "../../../../lib/shared/wire/mod.ts";
import { planPod } from "../../../../lib/agent/pods/plan.ts";
import type { Action } from "../../../../lib/agent/pods/plan_builder.ts";
import type {
  ContainerInput,
  ContainerInstance,
  ContainerRole,
  PlanInput,
  RunningActions,
} from "../../../../lib/agent/pods/plan_input.ts";

export const NOW_MS = 1_000_000;

/** What `PodState.toPlanInput` takes while no action runs. */
export const NOTHING_RUNS: RunningActions = {
  busy: new Set(),
  starting: new Map(),
  stopping: new Map(),
};

/** What distinguishes one container from a container that has never run. */
export interface ContainerChanges {
  instances?: ContainerInstance[];
  blocked?: { reason: string; message: string };
  input?: Partial<ContainerInput>;
}

/** Returns an instance in this state: attempt 0, started in the current sandbox, unless changed. */
export function toInstance(
  state: ContainerInstance["state"],
  changes: Partial<ContainerInstance> = {},
): ContainerInstance {
  const attempt = changes.attempt ?? 0;
  return {
    id: `c${attempt}`,
    attempt,
    state,
    exitCode: 0,
    exitedAtMs: NOW_MS,
    ranMs: 1_000,
    backoffLevel: attempt,
    sandboxId: "s1",
    image: "img:1",
    raw: {} as RuntimeContainer,
    ...changes,
  };
}

export const running = (
  changes: Partial<ContainerInstance> = {},
): ContainerInstance => toInstance("running", changes);

export const exited = (
  exitCode: number,
  changes: Partial<ContainerInstance> = {},
): ContainerInstance => toInstance("exited", { exitCode, ...changes });

/**
 * Returns a container whose role follows from its name: "init…", "side…", anything else is an app.
 */
export function containerInput(
  name: string,
  { instances = [], blocked, input }: ContainerChanges = {},
): ContainerInput {
  const role = toRole(name);
  return {
    spec: create(ContainerSchema, {
      name,
      image: "img:1",
      restartAlways: role === "sidecar",
      ...(blocked && { blocked }),
    }),
    role,
    instances,
    started: true,
    ...input,
  };
}

function toRole(name: string): ContainerRole {
  if (name.startsWith("init")) return "init";
  return name.startsWith("side") ? "sidecar" : "app";
}

/**
 * Returns a running pod with these containers, whose volumes and sandbox are ready. When it has
 * finished, what it held was released.
 */
export function planInput(
  containers: Record<string, ContainerChanges>,
  changes: Partial<PlanInput> & { policy?: RestartPolicy } = {},
): PlanInput {
  const { policy = RestartPolicy.ALWAYS, ...input } = changes;
  return {
    spec: create(PodSpecSchema, {
      uid: "u",
      restartPolicy: policy,
      terminationGraceSeconds: 30n,
    }),
    goal: { kind: "run" },
    nowMs: NOW_MS,
    sandbox: { kind: "ready", id: "s1" },
    sandboxRetryAtMs: 0,
    volumes: { kind: "ready" },
    isReleased: true,
    containers: Object.entries(containers).map(([name, changes]) =>
      containerInput(name, changes)
    ),
    ...NOTHING_RUNS,
    ...input,
  };
}

/** One call of the planner and its result; what is absent is expected to be empty. */
export interface PlanScenario {
  /** Continues "planPod() …". */
  title: string;
  input: PlanInput;
  /** See {@linkcode describeAction}. */
  actions?: string[];
  /** Waiting reasons by container name. */
  waiting?: Record<string, string>;
  /** When to sync again, from now. */
  syncInMs?: number;
  /** Keys of the running actions that are to be aborted. */
  aborts?: string[];
  terminated?: boolean;
}

/** Calls the planner and compares its result. */
export function assertPlan({ input, ...expected }: PlanScenario): void {
  const plan = planPod(input);
  assert.deepEqual(
    {
      actions: plan.actions.map(describeAction),
      waiting: Object.fromEntries(
        [...plan.waiting].map(([name, { reason }]) => [name, reason]),
      ),
      syncInMs: plan.syncAtMs === undefined
        ? undefined
        : plan.syncAtMs - NOW_MS,
      aborts: [...new Set(plan.aborts)].sort(),
      terminated: plan.terminated,
    },
    {
      actions: expected.actions ?? [],
      waiting: expected.waiting ?? {},
      syncInMs: expected.syncInMs,
      aborts: expected.aborts ?? [],
      terminated: expected.terminated ?? false,
    },
  );
}

/**
 * Returns e.g. "start app#0 level 0", "stop app c0 in 30000 removed held", "remove c0"; times from
 * now.
 */
export function describeAction(action: Action): string {
  switch (action.kind) {
    case "start":
      return `start ${action.name}#${action.attempt} level ${action.backoffLevel}`;
    case "stop":
      return `stop ${action.name} ${action.id} in ${
        action.stopByMs - NOW_MS
      } ${action.cause}${action.isHeld ? " held" : ""}`;
    case "removeInstance":
      return `remove ${action.id}`;
    case "failPod":
      return `fail ${action.reason}`;
    default:
      return action.kind;
  }
}
