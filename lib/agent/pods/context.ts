// SPDX-License-Identifier: Apache-2.0
/** What the workers of one device share, as named interfaces. */
import type { Clock, Logger } from "../../shared/base/mod.ts";
import type { PodSwitches } from "../../shared/config/mod.ts";
import type { ContainerRuntime } from "../runtime/mod.ts";
import type { PodStatus } from "../../shared/wire/mod.ts";
import type { Volumes } from "../volumes/mod.ts";
import type { DiskReclaimer } from "./disk_reclaimer.ts";
import type { EngineCache } from "./engine_cache.ts";
import type { PodRecord } from "./pod_record.ts";
import type { PodStore } from "./pod_store.ts";

/** Something that the cluster should show as an Event of a pod. */
export interface PodEvent {
  /** Empty when it is about the device. */
  podUid: string;
  /** Name of the container; empty when it is about the pod as a whole. */
  container: string;
  /** Event type Warning rather than Normal. */
  warning: boolean;
  /** In UpperCamelCase, as a kubelet names it, e.g. "BackOff". */
  reason: string;
  /** For people to read. */
  message: string;
}

/** Receives what the workers report about pods and the engine. Its methods must not throw. */
export interface PodReporter {
  /**
   * The status of a pod changed. `status.version` rises with every call, also across restarts of
   * the agent.
   */
  onPodStatus(status: PodStatus): void;
  /** Something happened that the cluster should show as an Event of the pod, or of the device. */
  onPodEvent(event: PodEvent): void;
  /**
   * The event stream of the engine was opened or lost: the engine may have become available or
   * unavailable.
   */
  onEngineChanged(): void;
  /** A condition of pressure has become true or false. */
  onPressureChanged(): void;
}

/** Addresses of the device itself; read anew on each use. */
export interface HostAddresses {
  /** IP addresses, preferred first. */
  readonly addresses: readonly string[];
}

/** The pods of one device, as far as a single worker has to know of the others. */
export interface PodRegistry {
  /** Returns whether the pod may run: an older pod of the same name must have terminated. */
  mayRun(record: PodRecord): boolean;
  /** Numbers a status and reports it. */
  publishStatus(status: PodStatus): void;
  /** Removes the record and the worker of a pod of which nothing else is left. */
  dropPod(uid: string): Promise<void>;
}

/** What the workers of one device share. */
export interface WorkerContext {
  readonly runtime: ContainerRuntime;
  readonly engine: Pick<EngineCache, "findPod">;
  readonly volumes: Volumes;
  /** Frees space when a pull has failed for want of it. */
  readonly reclaimer: Pick<DiskReclaimer, "reclaim" | "onImagePulled">;
  readonly store: Pick<PodStore, "save" | "remove" | "settings">;
  readonly registry: PodRegistry;
  readonly reporter: Pick<PodReporter, "onPodEvent">;
  readonly host: HostAddresses;
  readonly switches: PodSwitches;
  readonly clock: Clock;
  readonly log: Logger;
}
