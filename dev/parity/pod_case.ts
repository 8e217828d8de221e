// SPDX-License-Identifier: Apache-2.0
/** One entry of the parity table: a pod, and what is done to it while it is observed. */

/** A container as in the API; only fields that the table's helpers read are typed. */
export interface ContainerFields extends Record<string, unknown> {
  name: string;
  image?: string;
}

/** A PodSpec as in the API, without what places it on a node. */
export interface PodFields extends Record<string, unknown> {
  containers: ContainerFields[];
  initContainers?: ContainerFields[];
}

/** A state of a pod that a case waits for. */
export type PodMilestone =
  /** `status.phase`. */
  | { phase: string }
  /** Condition Ready is True. */
  | { ready: true }
  /** Any container waits for this reason. */
  | { waiting: string }
  /** The sum of all restart counts is at least this. */
  | { restarts: number }
  /** An Event with this reason exists. */
  | { event: string }
  /** This container is running and started. */
  | { started: string }
  /** This container has terminated. */
  | { terminated: string };

/** One action on a pod. Results are recorded under `as`. */
export type PodStep =
  | { until: PodMilestone; timeoutMs?: number }
  | {
    as: string;
    exec: string[];
    /** Flags of kubectl exec before `--`, e.g. `-c`. */
    flags?: string[];
    stdin?: string;
  }
  | { as: string; logs: string[] }
  /** Repeats an exec until its output contains this text. */
  | { untilExec: string[]; shows: string; timeoutMs?: number }
  /** Records the status now. */
  | { as: string; snapshot: true }
  /** Merge patch of the pod; with `subresource` of that. */
  | { patch: object; subresource?: string }
  /** Applies objects to the pod's namespace. */
  | { apply: CaseObject[] }
  /** Deletes the pod with these flags; without this step it is deleted after the last one. */
  | { remove: string[] };

/** An object of the case's namespace. */
export interface CaseObject extends Record<string, unknown> {
  kind: string;
  metadata: { name: string } & Record<string, unknown>;
}

/** A pod and what happens to it. */
export interface PodCase {
  /** Name of the pod, unique in the table. */
  name: string;
  spec: PodFields;
  /** Labels and annotations. */
  metadata?: Record<string, unknown>;
  /** "bound" names the node in the spec; "scheduled" selects it by label. @default "bound" */
  placement?: "bound" | "scheduled";
  /** Objects that are applied before the pod. */
  objects?: CaseObject[];
  /** @default waits until the pod is Ready */
  steps?: PodStep[];
  /** Whether the case belongs to the fast third that tests compare. @default false */
  isFast?: boolean;
}

/** Name of the only container of most cases. */
export const MAIN = "c";

/** Steps that wait for the usual milestones. */
export const READY: PodStep = { until: { ready: true } };
export const RUNNING: PodStep = { until: { phase: "Running" } };
export const SUCCEEDED: PodStep = { until: { phase: "Succeeded" } };
export const FAILED: PodStep = { until: { phase: "Failed" } };

/** Runs without end, and ends with exit code 0 at SIGTERM. */
export const SERVE =
  "trap 'exit 0' TERM; while true; do sleep 3600 & wait; done";
