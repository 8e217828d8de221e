// SPDX-License-Identifier: Apache-2.0
/** What a plan is made of, and the arithmetic of restarts. */
import type { Container } from "../wire/mod.ts";
import type { ContainerView, Instance } from "./pod_view.ts";

/** First and longest delay between restarts, and the good run after which counting starts over. */
export const RESTART_DELAY_MS = 10_000;
export const MAX_RESTART_DELAY_MS = 300_000;
export const GOOD_RUN_MS = 600_000;
/** No stop is given less than this. */
export const MIN_GRACE_MS = 2_000;
/** How long a failed pull is shown as such before it reads as waiting for the next. */
export const PULL_ERROR_SHOWN_MS = 5_000;

/** One thing to do. Actions of one plan may run at the same time; each is told apart by its {@linkcode keyOf}. */
export type Action =
  | { kind: "prepareVolumes" }
  | { kind: "ensureSandbox" }
  | { kind: "forget" }
  | { kind: "start"; name: string; attempt: number; backoffLevel: number }
  | {
    kind: "stop";
    name: string;
    id: string;
    stopByMs: number;
    /** For the event. */
    why:
      | "removed"
      | "unhealthy"
      | "changed"
      | "sandbox"
      | "finished"
      | "failed";
  }
  | { kind: "removeInstance"; id: string; name: string }
  | { kind: "failPod"; reason: string; message: string };

/** Why a container does not run (yet). */
export interface Waiting {
  reason: string;
  message: string;
}

/** See {@linkcode planPod}. */
export interface Plan {
  actions: Action[];
  /** By container name; only those that wait. */
  waiting: Map<string, Waiting>;
  /** When to look again even if nothing happens. */
  wakeAtMs: number | undefined;
  /** No container of it lives, none will be started again, and no action runs. */
  ended: boolean;
}

/** The key under which an action counts as busy. */
export function keyOf(action: Action): string {
  switch (action.kind) {
    case "prepareVolumes":
      return "volumes";
    case "ensureSandbox":
      return "sandbox";
    case "removeInstance":
      return `remove/${action.id}`;
    case "start":
    case "stop":
      return `container/${action.name}`;
    default:
      return action.kind;
  }
}

/** Delay before the restart that follows this instance's death. */
export function restartDelayMs(instance: Instance): number {
  const level = levelAfter(instance) - 1;
  return level === 0
    ? 0
    : Math.min(MAX_RESTART_DELAY_MS, RESTART_DELAY_MS * 2 ** (level - 1));
}

/** How many restarts in a row its successor will count. */
export function levelAfter(instance: Instance): number {
  return (instance.ranMs >= GOOD_RUN_MS ? 0 : instance.backoffLevel) + 1;
}

/** The instance that lives. */
export function livingOf(view: ContainerView): Instance | undefined {
  return view.instances.find((instance) => instance.state === "running");
}

/** Exit code of the newest instance when it is dead, or of one that the engine no longer holds. */
export function lastExitCode(view: ContainerView): number | undefined {
  const newest = view.instances.find((one) => one.state !== "created");
  if (newest === undefined) return view.settledExitCode;
  return newest.state === "exited" ? newest.exitCode : undefined;
}

/** The kubelet's words for a container that waits before its next start. */
export function crashLoop(spec: Container, last: Instance): Waiting {
  const delay = restartDelayMs(last);
  const text = delay >= 60_000 && delay % 60_000 !== 0
    ? `${Math.floor(delay / 60_000)}m${(delay % 60_000) / 1_000}s`
    : delay >= 60_000
    ? `${delay / 60_000}m0s`
    : `${delay / 1_000}s`;
  return {
    reason: "CrashLoopBackOff",
    message: `back-off ${text} restarting failed container=${spec.name}`,
  };
}
