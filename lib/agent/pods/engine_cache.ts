// SPDX-License-Identifier: Apache-2.0
/** What the engine holds, asked for by many workers at once and listed as seldom as can be. */
import {
  type Clock,
  createBackoff,
  type Logger,
} from "../../shared/base/mod.ts";
import type { PodRuntime, RuntimePod } from "../runtime/mod.ts";
import { create, type PodSpec, PodSpecSchema } from "../../shared/wire/mod.ts";

/** By pod UID. */
export type EnginePods = ReadonlyMap<string, RuntimePod>;

/** Options of {@linkcode EngineView}. */
export interface EngineViewOptions {
  runtime: PodRuntime;
  clock: Clock;
  log: Logger;
  /** Called with the first listing that worked, before anyone sees it. */
  onFirstSight(pods: RuntimePod[]): Promise<void>;
}

const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 5_000;

/** See the file's head. */
export class EngineView {
  /** Whether a listing has worked. */
  seen = false;
  readonly #options: EngineViewOptions;
  #running: Promise<EnginePods> | undefined;
  #next: Promise<EnginePods> | undefined;

  constructor(options: EngineViewOptions) {
    this.#options = options;
  }

  /** What it holds now. Calls made while a listing runs share the one after it, which begins later than they did. */
  list(): Promise<EnginePods> {
    if (!this.#running) return this.#begin();
    this.#next ??= this.#running.then(() => this.#begin(), () => this.#begin());
    return this.#next;
  }

  #begin(): Promise<EnginePods> {
    this.#next = undefined;
    const running = this.#ask().finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }

  async #ask(): Promise<EnginePods> {
    const { runtime, onFirstSight } = this.#options;
    const pods = await runtime.listPods();
    if (!this.seen) {
      await onFirstSight(pods);
      this.seen = true;
    }
    return new Map(pods.map((pod) => [pod.uid, pod]));
  }

  /** Lists until it has worked once, so that pods which no record knows are seen too. */
  async firstLook(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!this.seen && !signal.aborted) {
      try {
        await this.list();
      } catch {
        // The device's facts say that the engine is away.
        await clock.sleep(MAX_RETRY_MS, { signal }).catch(() => {});
      }
    }
  }

  /** Tells of changes until the signal; `onLost`: the connection was lost, and all must be looked at. */
  async watch(
    options: {
      signal: AbortSignal;
      onChange(uid: string): void;
      onLost(): void;
    },
  ): Promise<void> {
    const { runtime, clock, log } = this.#options;
    const { signal, onChange, onLost } = options;
    const backoff = createBackoff({
      initialDelayMs: FIRST_RETRY_MS,
      maxDelayMs: MAX_RETRY_MS,
    });
    while (!signal.aborted) {
      try {
        for await (const uid of runtime.watchPods(signal)) {
          backoff.reset();
          if (uid === "") onLost();
          else onChange(uid);
        }
      } catch (error) {
        if (signal.aborted) return;
        log.debug("engine can't be watched", { error });
      }
      if (signal.aborted) return;
      await clock.sleep(backoff.next(), { signal }).catch(() => {});
    }
  }
}

/** What the engine alone says of a pod. */
export function toBareSpec(pod: RuntimePod): PodSpec {
  const named = (kind: "init" | "app") => [
    ...new Map(
      pod.containers.filter((one) => one.kind === kind).map((one) => [
        one.name,
        { name: one.name, image: one.image },
      ]),
    ).values(),
  ];
  return create(PodSpecSchema, {
    uid: pod.uid,
    namespace: pod.namespace,
    name: pod.name,
    initContainers: named("init"),
    containers: named("app"),
  });
}
