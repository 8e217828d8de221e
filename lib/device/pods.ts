// SPDX-License-Identifier: Apache-2.0
/** The pod lane of one device: what the API server wants there, what the device runs, and making the one into the other. */
import type { Clock, Logger, Meter } from "../base/mod.ts";
import type { EventRecorder, KubeClient, Pod } from "../kube/mod.ts";
import type { Session } from "../session/mod.ts";
import type {
  Blobs,
  EventList,
  FetchBlobs,
  PodStatusList,
} from "../wire/mod.ts";
import type { PodSources } from "./pods_sources.ts";

/** Options of {@linkcode createPodLane}. */
export interface PodLaneOptions {
  /** The node's name, which is the device's too. */
  node: string;
  client: KubeClient;
  /** Shared by all devices. */
  sources: PodSources;
  /** Shared by all devices. */
  events: EventRecorder;
  /** The device's session; it outlives links. */
  session: Pick<Session, "request">;
  /** Whether this pod is the virtual one (or somebody else's of its name) and not ours to run. */
  isExcluded: (pod: Pod) => boolean;
  /** Name servers and search list for pods with dnsPolicy ClusterFirst; undefined: the device's own are used. */
  dns: () => PodDns | undefined;
  log: Logger;
  meter?: Meter;
  clock?: Clock;
}

/** From `spec.pod.dns` of the EdgeDevice. */
export interface PodDns {
  servers: string[];
  searches: string[];
  options: string[];
}

/** A container of a pod, for the stream lane. */
export interface PodTargetInfo {
  podUid: string;
  /** The container's name, never empty. */
  container: string;
  /** Set: it waits, with this reason. */
  waiting?: { reason: string; message: string };
  /** Whether there is an earlier instance of the container. */
  hasPrevious: boolean;
  /** Whether it runs now. */
  running: boolean;
}

/** One device's pod lane. Methods may be called at any time, in any order. */
export interface PodLane extends AsyncDisposable {
  /** The device has a link (again): lists its pods, compares, sends the differences, writes every status back. */
  onConnected(options: { capabilities: readonly string[] }): void;
  /** The link is gone for good (after `offlineAfter`): nothing that may run there is finalized. */
  onDisconnected(): void;
  /** METHOD_REPORT_PODS. Resolves when taken; writing goes on behind. */
  onReport(list: PodStatusList): Promise<void>;
  /** METHOD_REPORT_EVENTS: those about pods; others are returned. */
  onEvents(list: EventList): EventList["events"];
  /** METHOD_FETCH_BLOBS: only what a pod of this device refers to. @throws {AranyaError} "not_found" for other hashes */
  fetchBlobs(request: FetchBlobs): Promise<Blobs>;
  /**
   * Finds a container for the stream lane; empty: the pod's default one.
   * @throws {AranyaError} "not_found" when pod or container isn't there
   */
  findTarget(target: {
    namespace: string;
    pod: string;
    container: string;
    uid?: string;
  }): PodTargetInfo;
  /** Pods bound to the node, the virtual one not counted, with their last status; for /pods. */
  listPods(options: { running: boolean }): Pod[];
  /** Names a pod by its UID. */
  nameOfPod(uid: string): { namespace: string; name: string } | undefined;
  /** Resolves when nothing is left to do at this moment; for tests and for ending. */
  idle(): Promise<void>;
  /** Stops. Nothing is removed on the device. */
  close(): Promise<void>;
}

/** Starts the lane; it waits for the shared informers by itself. */
export function createPodLane(_options: PodLaneOptions): PodLane {
  throw new TypeError("Cannot create pod lane: not built yet");
}
