// SPDX-License-Identifier: Apache-2.0
/** Pods as the planner sees them, drawn in few words, and what is expected of a plan. */
import type { RuntimeContainer } from "../../../../lib/agent/runtime/mod.ts";
import {
  ContainerSchema,
  create,
  PodSpecSchema,
  RestartPolicy,
} from "../../../../lib/shared/wire/mod.ts";
import type { Action } from "../../../../lib/agent/pods/plan_input.ts";
import type {
  ContainerView,
  Instance,
  PodView,
} from "../../../../lib/agent/pods/plan_input.ts";

export const NOW = 1_000_000;

interface Sketch {
  role?: ContainerView["role"];
  instances?: Instance[];
  more?: Partial<ContainerView>;
  blocked?: { reason: string; message: string };
}

/** A container named after its key: `init…`, `side…`, anything else is an app. */
function containerView(name: string, sketch: Sketch): ContainerView {
  const role = sketch.role ??
    (name.startsWith("init")
      ? "init"
      : name.startsWith("side")
      ? "sidecar"
      : "app");
  return {
    spec: create(ContainerSchema, {
      name,
      image: "img:1",
      restartAlways: role === "sidecar",
      ...(sketch.blocked && { blocked: sketch.blocked }),
    }),
    role,
    instances: sketch.instances ?? [],
    started: true,
    ...sketch.more,
  };
}

/** A pod of these containers that shall run, all else ready. */
export function podView(
  containers: Record<string, Sketch>,
  more: Partial<PodView> & { policy?: RestartPolicy } = {},
): PodView {
  const { policy = RestartPolicy.ALWAYS, ...view } = more;
  return {
    spec: create(PodSpecSchema, {
      uid: "u",
      restartPolicy: policy,
      terminationGraceSeconds: 30n,
    }),
    goal: { kind: "run" },
    nowMs: NOW,
    sandbox: { kind: "ready", id: "s1" },
    sandboxRetryAtMs: 0,
    volumes: { kind: "ready" },
    containers: Object.entries(containers).map(([name, sketch]) =>
      containerView(name, sketch)
    ),
    busy: new Set(),
    stopping: new Map(),
    ...view,
  };
}

/** One instance. */
export function instance(
  state: Instance["state"],
  more: Partial<Instance> = {},
): Instance {
  const attempt = more.attempt ?? 0;
  return {
    id: `c${attempt}`,
    attempt,
    state,
    exitCode: 0,
    deadAtMs: NOW,
    ranMs: 1_000,
    backoffLevel: attempt,
    sandboxId: "s1",
    image: "img:1",
    raw: {} as RuntimeContainer,
    ...more,
  };
}

export const running = (more: Partial<Instance> = {}): Instance =>
  instance("running", more);
export const exited = (
  exitCode: number,
  more: Partial<Instance> = {},
): Instance => instance("exited", { exitCode, ...more });

/** `start app#0`, `stop app c0 by 30000 removed`, `remove c0`, … with times counted from now. */
export function sayAction(action: Action): string {
  switch (action.kind) {
    case "start":
      return `start ${action.name}#${action.attempt} level ${action.backoffLevel}`;
    case "stop":
      return `stop ${action.name} ${action.id} in ${
        action.stopByMs - NOW
      } ${action.why}`;
    case "removeInstance":
      return `remove ${action.id}`;
    case "failPod":
      return `fail ${action.reason}`;
    default:
      return action.kind;
  }
}

/** One turn and what is expected of it. */
export interface Case {
  title: string;
  view: PodView;
  actions?: string[];
  waiting?: Record<string, string>;
  wakeInMs?: number;
  ended?: boolean;
}
