// SPDX-License-Identifier: Apache-2.0
/** The device's side of its pods: latest reports, and requests that change them. */
import { hasCode, type MemoryShare } from "../../shared/base/mod.ts";
import type { Session } from "../../shared/session/mod.ts";
import {
  ApplyPodResultSchema,
  decodeMessage,
  encodeMessage,
  type File,
  listTokenFiles,
  Method,
  type PodRejection,
  type PodSpec,
  PodSpecSchema,
  type PodStatus,
  type PodStatusList,
  PodStatusListSchema,
  PurgePodSchema,
  RemovePodSchema,
} from "../../shared/wire/mod.ts";
import type { PodSettings } from "./device_state.ts";
import { MAX_POD_COUNT, StatusStore } from "./status_store.ts";

/** What the device has of a pod's command. */
export interface HeldSpec {
  specHash: string;
  /** Files with tokens: those sent, or those that the device has listed. */
  tokenFiles: readonly File[];
}

/** Options of {@linkcode DevicePods}. */
export interface DevicePodsOptions {
  settings: Pick<PodSettings, "requestTimeoutMs">;
  /** What the device has of the memory for the statuses of all devices. @default no bound */
  memory?: MemoryShare | undefined;
}

/** Bound of the UIDs that are remembered to ignore late reports. */
const MAX_PURGED = 1024;

/**
 * Pods as one device has reported them, and the requests LIST_PODS, APPLY_POD, REMOVE_POD and
 * PURGE_POD. A request resolves when the device has accepted it, not when it has taken effect.
 * Requests throw AranyaErrors of the device, or "unavailable" and "timed_out".
 */
export class DevicePods implements Disposable {
  readonly #session: Pick<Session, "request">;
  readonly #settings: Pick<PodSettings, "requestTimeoutMs">;
  readonly #reports: StatusStore;
  /** Spec hash of what was accepted since the last connect, by UID. */
  readonly #acceptedHashes = new Map<string, string>();
  /** Files with tokens of the last accepted command, by UID, until the device lists them. */
  readonly #tokenFiles = new Map<string, readonly File[]>();
  /** Shortest grace period of removals accepted since the last connect, by UID, in seconds. */
  readonly #removalGraces = new Map<string, number>();
  /** UIDs purged since the last connect, oldest first: reports sent before the purge are late. */
  readonly #purged = new Set<string>();
  /** UIDs reported or accepted since LIST_PODS was requested last: its answer may be older. */
  readonly #changed = new Set<string>();

  constructor(
    session: Pick<Session, "request">,
    { settings, memory }: DevicePodsOptions,
  ) {
    this.#session = session;
    this.#settings = settings;
    this.#reports = new StatusStore(memory);
  }

  /** Number of statuses that were not stored because the device reports too much. */
  get refusedCount(): number {
    return this.#reports.refusedCount;
  }

  /** Number of statuses that were not stored because all devices together report too much. */
  get deferredCount(): number {
    return this.#reports.deferredCount;
  }

  /** Returns the latest report of a pod; undefined when the device does not have it. */
  find(uid: string): PodStatus | undefined {
    return this.#reports.get(uid);
  }

  /** Returns the reported pods of this name: more than one while an earlier one terminates. */
  findByKey(podKey: string): PodStatus[] {
    return this.#reports.values().filter((pod) => keyOfReport(pod) === podKey);
  }

  /** Returns the keys of all reported pods, each once. */
  keys(): string[] {
    return [...new Set(this.#reports.values().map(keyOfReport))];
  }

  /** Returns whether the device has accepted this pod since the last connect. */
  hasAccepted(uid: string): boolean {
    return this.#acceptedHashes.has(uid);
  }

  /**
   * Returns what the device has of a pod's command: what it has accepted since the last connect,
   * which its reports may not show yet, else what it reports. Undefined when it has no such pod.
   */
  findSpec(uid: string): HeldSpec | undefined {
    const specHash = this.#acceptedHashes.get(uid) ??
      this.#reports.get(uid)?.specHash;
    if (specHash === undefined) return undefined;
    const tokenFiles = this.#tokenFiles.get(uid) ??
      this.#reports.tokenFilesOf(uid);
    return { specHash, tokenFiles };
  }

  /** Discards what was accepted before a new connection: the agent may have lost it. */
  onDeviceConnected(): void {
    this.#acceptedHashes.clear();
    this.#removalGraces.clear();
    this.#purged.clear();
  }

  /**
   * Stores reported statuses, except late ones: of a purged pod, or older than the stored one; and
   * no more than a bound, see {@linkcode refusedCount}. Returns the keys of the pods that were
   * stored.
   */
  addReport(list: PodStatusList): string[] {
    return list.pods.flatMap((pod) => {
      if (this.#purged.has(pod.uid)) return [];
      const latest = this.#reports.get(pod.uid);
      if (latest && latest.version > pod.version) return [];
      if (!this.#reports.set(pod)) return [];
      this.#changed.add(pod.uid);
      return [keyOfReport(pod)];
    });
  }

  /**
   * Requests the list of all pods and replaces the stored reports by it, except those that came
   * while the list was on its way and are newer. Returns the keys of all pods that were reported
   * before or are now, each once.
   */
  async list(signal: AbortSignal): Promise<string[]> {
    const before = this.keys();
    this.#changed.clear();
    const reply = await this.#request(Method.LIST_PODS, {
      payload: new Uint8Array(),
      signal,
    });
    const list = decodeMessage(PodStatusListSchema, reply, {
      maxElementCount: MAX_POD_COUNT,
    });
    this.#deleteAbsent(new Set(list.pods.map(({ uid }) => uid)));
    for (const pod of list.pods) this.#addListed(pod);
    return [...new Set([...before, ...this.keys()])];
  }

  /**
   * Sends a pod to the device, to be created or changed. Returns why the device doesn't take it;
   * then it has nothing of the pod.
   */
  async apply(
    spec: PodSpec,
    signal: AbortSignal,
  ): Promise<PodRejection | undefined> {
    this.#removalGraces.delete(spec.uid);
    this.#purged.delete(spec.uid);
    const payload = encodeMessage(PodSpecSchema, spec);
    const reply = await this.#request(Method.APPLY_POD, { payload, signal });
    const { rejection } = decodeMessage(ApplyPodResultSchema, reply);
    if (rejection) return rejection;
    this.#acceptedHashes.set(spec.uid, spec.specHash);
    this.#tokenFiles.set(spec.uid, listTokenFiles(spec));
    this.#changed.add(spec.uid);
    return undefined;
  }

  /**
   * Requests the removal of a pod, unless one with the same or a shorter grace period was accepted
   * since the last connect. Returns false when the device does not have the pod.
   */
  async remove(
    uid: string,
    { graceSeconds, signal }: { graceSeconds: number; signal: AbortSignal },
  ): Promise<boolean> {
    const acceptedGrace = this.#removalGraces.get(uid);
    if (acceptedGrace !== undefined && acceptedGrace <= graceSeconds) {
      return true;
    }
    const payload = encodeMessage(RemovePodSchema, {
      uid,
      graceSeconds: BigInt(graceSeconds),
    });
    const isFound = await this.#requestIfFound(Method.REMOVE_POD, {
      payload,
      signal,
    });
    if (isFound) this.#removalGraces.set(uid, graceSeconds);
    else this.#delete(uid);
    return isFound;
  }

  /** Makes the device delete what is left of a terminated pod whose object was deleted. */
  async purge(uid: string, signal: AbortSignal): Promise<void> {
    const payload = encodeMessage(PurgePodSchema, { uid });
    await this.#requestIfFound(Method.PURGE_POD, { payload, signal });
    this.#delete(uid);
    this.#purged.add(uid);
    for (const oldest of this.#purged) {
      if (this.#purged.size <= MAX_PURGED) break;
      this.#purged.delete(oldest);
    }
  }

  /** Drops what the device has reported. */
  [Symbol.dispose](): void {
    this.#reports[Symbol.dispose]();
  }

  /** Drops what is stored of pods that are not listed. */
  #deleteAbsent(listed: ReadonlySet<string>): void {
    const isGone = (uid: string) => !listed.has(uid) && !this.#changed.has(uid);
    for (const uid of this.#reports.uids.filter(isGone)) {
      this.#reports.delete(uid);
    }
    // A pod that was accepted but is not listed is sent again; at worst it is sent twice.
    for (const uid of [...this.#acceptedHashes.keys()].filter(isGone)) {
      this.#acceptedHashes.delete(uid);
    }
    for (const uid of [...this.#tokenFiles.keys()].filter(isGone)) {
      this.#tokenFiles.delete(uid);
    }
  }

  /** Stores a listed status, unless it is older than what is known. */
  #addListed(pod: PodStatus): void {
    if (this.#purged.has(pod.uid)) return;
    // An agent lists none that it does not hold yet, and an old one none at all.
    const tokenFiles =
      pod.tokenFiles.length > 0 && !this.#acceptedHashes.has(pod.uid)
        ? pod.tokenFiles
        : undefined;
    if (tokenFiles) this.#tokenFiles.delete(pod.uid);
    // Other versions are not compared: an agent that has lost its state counts from the beginning.
    const latest = this.#changed.has(pod.uid)
      ? this.#reports.get(pod.uid)
      : undefined;
    const isOlder = latest !== undefined && latest.version > pod.version;
    this.#reports.set(isOlder ? latest : pod, { tokenFiles });
  }

  #delete(uid: string): void {
    this.#changed.delete(uid);
    this.#reports.delete(uid);
    this.#acceptedHashes.delete(uid);
    this.#tokenFiles.delete(uid);
    this.#removalGraces.delete(uid);
  }

  /** Sends a request; returns false when the device does not have the pod. */
  async #requestIfFound(
    method: Method,
    call: { payload: Uint8Array; signal: AbortSignal },
  ): Promise<boolean> {
    try {
      await this.#request(method, call);
      return true;
    } catch (error) {
      if (hasCode(error, "not_found")) return false;
      throw error;
    }
  }

  #request(
    method: Method,
    { payload, signal }: { payload: Uint8Array; signal: AbortSignal },
  ): Promise<Uint8Array> {
    return this.#session.request(method, payload, {
      timeoutMs: this.#settings.requestTimeoutMs,
      signal,
    });
  }
}

function keyOfReport({ namespace, name }: PodStatus): string {
  return `${namespace}/${name}`;
}
