// SPDX-License-Identifier: Apache-2.0
/** Evicts pods while the device is short of memory or disk space. */
import { type Clock, hasCode, type Logger } from "../../shared/base/mod.ts";
import type { PodSpec } from "../../shared/wire/mod.ts";
import type {
  DevicePressure,
  DeviceReader,
  StatsRuntime,
} from "../runtime/mod.ts";
import type { Volumes } from "../volumes/mod.ts";
import type { PodReporter } from "./context.ts";
import type { DiskReclaimer } from "./disk_reclaimer.ts";
import {
  findExceededStorageLimit,
  hasStorageLimit,
  rankPods,
  type Shortage,
  toEvictionMessage,
  toShortResource,
} from "./eviction_ranking.ts";
import type { ContainerUsage, PodUsage } from "./pod_usage.ts";
import type { PodEviction } from "./pod_worker.ts";

/** Pause between two measurements; that of a kubelet's eviction manager. */
export const EVICTION_INTERVAL_MS = 10_000;
/**
 * Pause between two measurements of the disk usage of pods with a limit of ephemeral-storage: each
 * walks through their files.
 */
const STORAGE_INTERVAL_MS = 30_000;
/**
 * How long the end of an evicted pod is waited for before the next one is chosen; that of a
 * kubelet's eviction manager.
 */
const CLEANUP_TIMEOUT_MS = 30_000;
const CLEANUP_POLL_MS = 200;

/** What the evictor needs of a pod. */
export interface EvictablePod {
  readonly record: { readonly spec: PodSpec };
  /** Whether the pod should run and is not being stopped. */
  readonly isActive: boolean;
  /** Names of its containers that run. */
  readonly runningContainers: readonly string[];
  /** Whether an image is being pulled for it, and none of its containers runs. */
  readonly isPulling: boolean;
  /** Whether it was evicted, and has not given back its sandbox and volumes yet. */
  readonly isEvictedAndHeld: boolean;
  /** Fails the pod unless it is critical; resolves once that is persisted, or can't be. */
  evict(eviction: PodEviction): Promise<void>;
}

/** Options of {@linkcode Evictor}. */
export interface EvictorOptions {
  reader: Pick<DeviceReader, "readPressure">;
  runtime: StatsRuntime;
  volumes: Pick<Volumes, "measure">;
  reclaimer: Pick<DiskReclaimer, "reclaim">;
  /** Returns all pods of the device. */
  listPods(): EvictablePod[];
  reporter: Pick<PodReporter, "onPodEvent" | "onPressureChanged">;
  clock: Clock;
  log: Logger;
}

/**
 * Measures the device every 10 s, as a kubelet's eviction manager does. Below a threshold it first
 * frees space that no pod needs, then evicts one pod, waits until that has ended, and measures
 * again.
 */
export class Evictor {
  readonly #options: EvictorOptions;
  /** Evicted pods that have not ended in time. The device goes on without waiting for them. */
  readonly #overdue = new WeakSet<EvictablePod>();
  #conditions: readonly string[] = [];
  /** What was short in the last round; an Event reports its beginning. */
  #reported: string | undefined;
  /** Whether the last round has failed; it is logged once. */
  #hasFailed = false;

  constructor(options: EvictorOptions) {
    this.#options = options;
  }

  /** Conditions of pressure that were true at the last measurement. */
  get conditions(): readonly string[] {
    return this.#conditions;
  }

  /** Measures and evicts until the signal is aborted. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    // Walks through many files must not delay what the device needs.
    await Promise.all([
      this.#watchPressure(signal),
      this.#watchStorageLimits(signal),
    ]);
  }

  async #watchPressure(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      try {
        const hasEvicted = await this.#runRound(signal);
        this.#hasFailed = false;
        if (hasEvicted) continue;
      } catch (error) {
        if (signal.aborted) return;
        this.#logFailure(error);
      }
      await clock.sleep(EVICTION_INTERVAL_MS, { signal }).catch(() => {});
    }
  }

  async #watchStorageLimits(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    let nextMs = -Infinity;
    while (!signal.aborted) {
      const startMs = clock.monotonicMs();
      try {
        if (startMs >= nextMs && await this.#evictOverLimit(signal)) {
          const walkMs = clock.monotonicMs() - startMs;
          // A walk takes no more than a twentieth of the time.
          nextMs = startMs + Math.max(STORAGE_INTERVAL_MS, walkMs * 20);
        }
      } catch (error) {
        if (signal.aborted) return;
        // An engine that is away is a condition of the device.
        log[hasCode(error, "unavailable") ? "debug" : "warn"](
          "ephemeral storage of pods can't be measured, will retry",
          { error },
        );
        nextMs = startMs + STORAGE_INTERVAL_MS;
      }
      await clock.sleep(EVICTION_INTERVAL_MS, { signal }).catch(() => {});
    }
  }

  /** Returns whether a pod was evicted. */
  async #runRound(signal: AbortSignal): Promise<boolean> {
    const { reclaimer } = this.#options;
    let shortage = await this.#findShortage(signal);
    if (!shortage) {
      this.#reported = undefined;
      return false;
    }
    this.#reportShortage(toShortResource(shortage.threshold));
    if (await this.#waitForCleanup(signal)) {
      shortage = await this.#findShortage(signal);
      if (!shortage) return false;
    }
    if (toShortResource(shortage.threshold) !== "memory") {
      // Images and dead containers are on the engine's disk.
      const frees = shortage.hasOneDisk ||
        shortage.threshold.signal.startsWith("imagefs");
      if (frees) await reclaimer.reclaim();
      shortage = await this.#findShortage(signal);
      if (!shortage) return false;
    }
    const { threshold } = shortage;
    const pods = this.#listActive();
    const usages = await this.#measure(pods, {
      signal,
      hasDisk: toShortResource(threshold) !== "memory",
    });
    const [chosen] = rankPods(usages, shortage);
    const pod = chosen &&
      pods.find(({ record }) => record.spec === chosen.spec);
    if (!chosen || !pod?.isActive) return false;
    // Measuring may have taken minutes.
    const { signal: shortSignal } = threshold;
    const { exceeded } = await this.#readPressure(signal);
    const present = exceeded.find((one) => one.signal === shortSignal);
    if (!present || !pod.isActive) return false;
    // Another one was evicted meanwhile; the next round waits for it.
    if (this.#listHeld().length > 0) return true;
    await pod.evict({
      message: toEvictionMessage(chosen, present),
      isDisruption: true,
    });
    return true;
  }

  /** Returns evicted pods, for whatever reason, that are expected to give back what they took. */
  #listHeld(): EvictablePod[] {
    return this.#options.listPods().filter((pod) =>
      pod.isEvictedAndHeld && !this.#overdue.has(pod)
    );
  }

  /**
   * Waits until evicted pods have given back what they took; at most 30 s, and once for each: a
   * container that can't be killed must not protect the others. Returns whether there were any.
   */
  async #waitForCleanup(signal: AbortSignal): Promise<boolean> {
    const { clock, log } = this.#options;
    const held = this.#listHeld();
    const listLate = () => held.filter((pod) => pod.isEvictedAndHeld);
    const deadlineMs = clock.monotonicMs() + CLEANUP_TIMEOUT_MS;
    while (listLate().length > 0 && clock.monotonicMs() < deadlineMs) {
      await clock.sleep(CLEANUP_POLL_MS, { signal });
    }
    for (const pod of listLate()) {
      const { namespace, name } = pod.record.spec;
      this.#overdue.add(pod);
      log.warn("evicted pod has not ended in time, others may be evicted", {
        pod: `${namespace}/${name}`,
      });
    }
    return held.length > 0;
  }

  /** Measures; returns the first shortage for which a pod may be evicted. */
  async #findShortage(signal: AbortSignal): Promise<Shortage | undefined> {
    const { exceeded, countsPodMemory, hasOneDisk } = await this.#readPressure(
      signal,
    );
    const threshold = exceeded.find((one) =>
      countsPodMemory || toShortResource(one) !== "memory"
    );
    return threshold && { threshold, hasOneDisk };
  }

  async #readPressure(signal: AbortSignal): Promise<DevicePressure> {
    const { reader, reporter } = this.#options;
    const pressure = await reader.readPressure(signal);
    const hasChanged = pressure.conditions.join() !== this.#conditions.join();
    this.#conditions = pressure.conditions;
    if (hasChanged) reporter.onPressureChanged();
    return pressure;
  }

  /** Evicts the pods that exceed their own limit of storage. Returns whether any pod has one. */
  async #evictOverLimit(signal: AbortSignal): Promise<boolean> {
    const pods = this.#listActive().filter(({ record }) =>
      hasStorageLimit(record.spec)
    );
    if (pods.length === 0) return false;
    for (const usage of await this.#measure(pods, { signal, hasDisk: true })) {
      const message = findExceededStorageLimit(usage);
      const pod = pods.find(({ record }) => record.spec === usage.spec);
      if (message === undefined || !pod?.isActive) continue;
      await pod.evict({ message });
    }
    return true;
  }

  #listActive(): EvictablePod[] {
    return this.#options.listPods().filter(({ isActive }) => isActive);
  }

  async #measure(
    pods: readonly EvictablePod[],
    { hasDisk, signal }: { hasDisk: boolean; signal: AbortSignal },
  ): Promise<PodUsage[]> {
    const { runtime, volumes } = this.#options;
    const byPod = new Map<string, Map<string, ContainerUsage>>();
    const usageOf = (podUid: string, container: string): ContainerUsage => {
      const containers = byPod.get(podUid) ?? new Map();
      byPod.set(podUid, containers);
      const usage = containers.get(container) ??
        { memoryBytes: 0, diskBytes: 0 };
      containers.set(container, usage);
      return usage;
    };
    if (hasDisk) {
      for (const one of await runtime.readDiskUsage()) {
        usageOf(one.podUid, one.container).diskBytes += one.usedBytes;
      }
    } else {
      for (const one of await runtime.readStats()) {
        usageOf(one.podUid, one.container).memoryBytes += Number(
          one.memoryWorkingSetBytes,
        );
      }
    }
    const usages: PodUsage[] = [];
    for (const { record: { spec }, runningContainers, isPulling } of pods) {
      const containers = byPod.get(spec.uid) ?? new Map();
      const usage = hasDisk ? await volumes.measure(spec, signal) : undefined;
      usages.push({
        spec,
        containers,
        isMemoryUnknown: !hasDisk &&
          runningContainers.some((name) => !containers.has(name)),
        isPulling,
        volumesBytes: usage?.usedBytes ?? 0,
        volumesInodeCount: usage?.inodeCount ?? 0,
      });
    }
    return usages;
  }

  /** Reports an Event of the device when something begins to be short. */
  #reportShortage(resource: string): void {
    if (this.#reported === resource) return;
    this.#reported = resource;
    this.#options.reporter.onPodEvent({
      podUid: "",
      container: "",
      warning: true,
      reason: "EvictionThresholdMet",
      message: `Attempting to reclaim ${resource}`,
    });
  }

  /** Logs the first failure in a row, unless the engine is away: that is a condition. */
  #logFailure(error: unknown): void {
    const isKnown = this.#hasFailed || hasCode(error, "unavailable");
    this.#hasFailed = true;
    this.#options.log[isKnown ? "debug" : "warn"](
      "pressure can't be measured, will retry",
      { error },
    );
  }
}
