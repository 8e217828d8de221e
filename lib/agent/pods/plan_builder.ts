// SPDX-License-Identifier: Apache-2.0
/** The output of the planner: actions, waiting reasons and the time of the next sync. */

import type { FailedCheck } from "./plan_input.ts";

/** Why a container is stopped. */
export type StopCause =
  /** The pod is removed. */
  | "removed"
  /** The pod as a whole has failed. */
  | "failed"
  /** The pod has finished and only sidecars are left. */
  | "finished"
  /** The pod lost its sandbox, and with it its network. */
  | "sandbox"
  /** A probe or the postStart hook failed. */
  | "unhealthy"
  /** The image in the spec changed. */
  | "changed";

/** Stops one instance of a container. */
export interface StopAction {
  kind: "stop";
  /** Name of the container in the pod. */
  name: string;
  /** Engine id of the instance. */
  id: string;
  /** When the grace period ends, on the monotonic clock. */
  stopByMs: number;
  /**
   * Whether the stop signal is held back for containers that are stopped before this one. The
   * preStop hook is not.
   */
  isHeld: boolean;
  cause: StopCause;
  /** What failed when the cause is "unhealthy". */
  failedCheck?: FailedCheck;
}

/** Starts a new instance of a container. */
export interface StartAction {
  kind: "start";
  /** Name of the container in the pod. */
  name: string;
  /** Restart count of the new instance, from 0. */
  attempt: number;
  /** Image as the pod spec names it. */
  image: string;
  /** Consecutive restarts before the new instance. */
  backoffLevel: number;
}

/** One thing to do for a pod. Actions of one plan may run at the same time. */
export type Action =
  | { kind: "prepareVolumes" }
  | { kind: "ensureSandbox" }
  | StartAction
  | StopAction
  /** Removes an instance that is not needed any more from the engine. */
  | { kind: "removeInstance"; id: string; name: string }
  /** Gives back the sandbox and the volumes of a pod that has finished or failed. */
  | { kind: "release" }
  /** Fails the pod as a whole. */
  | { kind: "failPod"; reason: string; message: string }
  /** Removes everything of the pod. */
  | { kind: "purge" };

/** Why a container does not run yet, as in `state.waiting` of a container status. */
export interface WaitingReason {
  reason: string;
  message: string;
}

/** What one sync decided. */
export interface Plan {
  actions: Action[];
  /** By container name; only containers that wait. */
  waiting: Map<string, WaitingReason>;
  /** When to sync again even if nothing happens, on the monotonic clock. */
  syncAtMs: number | undefined;
  /** Keys of running actions that are to be aborted. An aborted action may need time to end. */
  aborts: Set<string>;
  /** The pod ends: nothing is started any more. */
  isEnding: boolean;
  /** No container runs or will be started again, and no action runs. */
  terminated: boolean;
}

/** Returns the key of an action; actions with the same key never run at the same time. */
export function actionKey(action: Action): string {
  switch (action.kind) {
    case "prepareVolumes":
      return "volumes";
    case "ensureSandbox":
      return "sandbox";
    case "removeInstance":
      return `remove/${action.id}`;
    case "start":
    case "stop":
      return containerKey(action.name);
    default:
      return action.kind;
  }
}

/** Returns the key of the starts and stops of one container. */
export function containerKey(name: string): string {
  return `container/${name}`;
}

/** Collects the parts of one plan. */
export class PlanBuilder {
  readonly plan: Plan = {
    actions: [],
    waiting: new Map(),
    syncAtMs: undefined,
    aborts: new Set(),
    isEnding: false,
    terminated: false,
  };
  readonly #busy: ReadonlySet<string>;

  /** `busy` are the keys of the running actions. */
  constructor(busy: ReadonlySet<string>) {
    this.#busy = busy;
  }

  /** Adds an action, unless one with the same key runs. */
  addAction(action: Action): void {
    if (!this.#busy.has(actionKey(action))) this.plan.actions.push(action);
  }

  /** Adds a stop that changes a running one: it ends earlier, or is not held any more. */
  updateStop(action: StopAction): void {
    this.plan.actions.push(action);
  }

  /** Aborts the action with this key if it runs. */
  abort(key: string): void {
    if (this.#busy.has(key)) this.plan.aborts.add(key);
  }

  /** Asks for a sync at this time; the earliest one counts. Undefined asks for none. */
  syncAt(atMs: number | undefined): void {
    if (atMs === undefined) return;
    this.plan.syncAtMs = Math.min(this.plan.syncAtMs ?? Infinity, atMs);
  }
}
