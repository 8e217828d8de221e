// SPDX-License-Identifier: Apache-2.0
/** What every worker of one device shares, and what it tells. */
import type { Clock, Logger } from "../../shared/base/mod.ts";
import type { ContainerRuntime, RuntimePod } from "../runtime/mod.ts";
import type { Volumes } from "../volumes/mod.ts";
import type { Dns, PodStatus } from "../../shared/wire/mod.ts";
import type { PodRecord } from "./record.ts";

/** Something worth telling the cluster about a pod. */
export interface PodEvent {
  /** Whose. */
  podUid: string;
  /** Empty: about the pod as a whole. */
  container: string;
  /** Not just for information. */
  warning: boolean;
  /** One word, as a kubelet says it. */
  reason: string;
  /** A sentence. */
  message: string;
}

/** Receives what the workers report about pods and the engine. Its methods must not throw. */
export interface PodReporter {
  /** The status of a pod changed. `status.version` rises with every call, also across restarts of the agent. */
  onPodStatus(status: PodStatus): void;
  /** Something happened that the cluster should show as an Event of the pod. */
  onPodEvent(event: PodEvent): void;
  /** The event stream of the engine was opened or lost: the engine may have become available or unavailable. */
  onEngineChanged(): void;
}

/** Addresses of the device itself; read anew on each use. */
export interface HostAddresses {
  /** IP addresses, preferred first. */
  readonly addresses: readonly string[];
}

/** What every worker of one device shares. */
export interface WorkerSurroundings {
  runtime: ContainerRuntime;
  volumes: Volumes;
  clock: Clock;
  log: Logger;
  /** What the engine holds of this pod; rejects while the engine is away. */
  observe(uid: string): Promise<RuntimePod | undefined>;
  /** Keeps the record durably. */
  keep(record: PodRecord): Promise<void>;
  /** Drops the record and the worker: nothing of the pod is left. */
  drop(uid: string): Promise<void>;
  /** Whether this pod's turn has come: an older one of the same name is to be gone first. */
  mayRun(record: PodRecord): boolean;
  /** The pod's status is another now; its version is set by the callee. */
  onStatus(status: PodStatus): void;
  onEvent(event: PodEvent): void;
  /** Device-wide wishes. */
  settings(): { podCidr: string; dns: Dns | undefined };
  /** The device's own addresses, preferred first. */
  hostIps(): readonly string[];
}
