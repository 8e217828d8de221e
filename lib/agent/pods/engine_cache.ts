// SPDX-License-Identifier: Apache-2.0
/** Reads the pods of the engine on behalf of many workers. */
import {
  type Clock,
  createBackoff,
  type Logger,
} from "../../shared/base/mod.ts";
import type { PodRuntime, RuntimePod } from "../runtime/mod.ts";

/** Options of {@linkcode EngineCache}. */
export interface EngineCacheOptions {
  runtime: PodRuntime;
  clock: Clock;
  log: Logger;
  /** Called with each listing that succeeds, before any caller gets it. */
  onListing(
    pods: RuntimePod[],
    options: { isFirst: boolean },
  ): Promise<void>;
}

/** Options of {@linkcode EngineCache.watch}. */
export interface WatchEngineOptions {
  /** Ends the watch. */
  signal: AbortSignal;
  /** Something about this pod changed on the engine. */
  onPodChanged(uid: string): void;
  /** Any pod may have changed: the event stream was opened or lost. */
  onAllChanged(): void;
}

const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 5_000;

/**
 * Lists the pods of the engine, as seldom as possible: calls during a listing share the next
 * one. No caller gets a listing that began before its call, so that the change that caused the call
 * is always included.
 */
export class EngineCache {
  readonly #options: EngineCacheOptions;
  #hasListed = false;
  #running: Promise<ReadonlyMap<string, RuntimePod>> | undefined;
  #next: Promise<ReadonlyMap<string, RuntimePod>> | undefined;

  constructor(options: EngineCacheOptions) {
    this.#options = options;
  }

  /** Whether a listing has succeeded since the start of the agent. */
  get hasListed(): boolean {
    return this.#hasListed;
  }

  /**
   * Returns all pods that the engine holds now, by UID.
   * @throws {AranyaError} code "unavailable" while the engine can't be reached
   */
  listPods(): Promise<ReadonlyMap<string, RuntimePod>> {
    if (!this.#running) return this.#startListing();
    const startListing = () => this.#startListing();
    this.#next ??= this.#running.then(startListing, startListing);
    return this.#next;
  }

  /**
   * Returns what the engine holds of one pod now.
   * @throws {AranyaError} code "unavailable" while the engine can't be reached
   */
  async findPod(uid: string): Promise<RuntimePod | undefined> {
    return (await this.listPods()).get(uid);
  }

  /** Lists until it has succeeded once, so that pods without a record are found. Never rejects. */
  async listUntilSuccess(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!this.#hasListed && !signal.aborted) {
      try {
        await this.listPods();
      } catch {
        // Not logged: the facts of the device report that the engine is unavailable.
        await clock.sleep(MAX_RETRY_MS, { signal }).catch(() => {});
      }
    }
  }

  /** Watches the engine until the signal, and starts again after failures. Never rejects. */
  async watch(options: WatchEngineOptions): Promise<void> {
    const { runtime, clock, log } = this.#options;
    const { signal, onPodChanged, onAllChanged } = options;
    const backoff = createBackoff({
      initialDelayMs: FIRST_RETRY_MS,
      maxDelayMs: MAX_RETRY_MS,
    });
    while (!signal.aborted) {
      try {
        for await (const uid of runtime.watchPods(signal)) {
          backoff.reset();
          if (uid === "") onAllChanged();
          else onPodChanged(uid);
        }
      } catch (error) {
        if (signal.aborted) return;
        log.debug("watch of the engine failed", { error });
      }
      if (signal.aborted) return;
      await clock.sleep(backoff.next(), { signal }).catch(() => {});
    }
  }

  #startListing(): Promise<ReadonlyMap<string, RuntimePod>> {
    this.#next = undefined;
    const running = this.#list().finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }

  async #list(): Promise<ReadonlyMap<string, RuntimePod>> {
    const { runtime, onListing } = this.#options;
    const pods = await runtime.listPods();
    await onListing(pods, { isFirst: !this.#hasListed });
    this.#hasListed = true;
    return new Map(pods.map((pod) => [pod.uid, pod]));
  }
}
