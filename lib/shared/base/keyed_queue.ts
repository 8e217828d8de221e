// SPDX-License-Identifier: Apache-2.0
/** Work queue of reconcilers, after client-go's `workqueue`. */
import { type Backoff, type BackoffOptions, createBackoff } from "./backoff.ts";

/** A failed attempt at a key. */
export interface WorkFailure {
  /** What `work` threw. */
  error: unknown;
  /** Delay until the next attempt, in milliseconds. */
  retryMs: number;
}

/** Options of {@linkcode KeyedQueue}. */
export interface KeyedQueueOptions {
  /** Reconciles the object of one key. A rejection is retried after a growing delay. */
  work: (key: string, signal: AbortSignal) => Promise<void>;
  /** Upper bound of keys processed at the same time. @default 16 */
  concurrency?: number;
  /** Delays after failures, per key. @default 200 ms doubling to 60 s, half of it jitter */
  backoff?: BackoffOptions;
  /** Receives each failure before its retry; must not throw. */
  onError?: (key: string, failure: WorkFailure) => void;
}

interface Entry {
  /** "dirty": running, and added again meanwhile. */
  state: "delayed" | "queued" | "running" | "dirty";
  /** Adds the key at `dueMs`; may be set beside any state except "queued". */
  timer?: ReturnType<typeof setTimeout> | undefined;
  dueMs: number;
  backoff?: Backoff;
}

const DEFAULT_CONCURRENCY = 16;

const DEFAULT_BACKOFF: BackoffOptions = {
  initialDelayMs: 200,
  maxDelayMs: 60_000,
  factor: 2,
  jitter: 0.5,
};

/**
 * Work queue for level-based reconciling: a key names the object to reconcile, never what happened
 * to it. A key is processed by one worker at a time. Adding a queued key has no effect; a key that
 * is added while it is processed is processed once more afterwards.
 *
 * Disposing stops the queue: running work is aborted and awaited, and `add` has no effect.
 *
 * @example
 * ```ts
 * await using queue = new KeyedQueue({ work: (name, signal) => reconcile(name, signal) });
 * queue.add("edge-1");
 * queue.add("edge-2", { afterMs: 5_000 });
 * ```
 */
export class KeyedQueue implements AsyncDisposable {
  readonly #options: KeyedQueueOptions;
  readonly #entries = new Map<string, Entry>();
  /** In the order of processing. */
  readonly #queued = new Set<string>();
  /** Reused: a new iterator would walk over the holes of all keys that were deleted before. */
  #order = this.#queued.values();
  readonly #running = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #idleWaiters: (() => void)[] = [];

  constructor(options: KeyedQueueOptions) {
    this.#options = options;
  }

  /** Number of keys queued or being processed; those with a delay are not counted. */
  get size(): number {
    return this.#queued.size + this.#running.size;
  }

  /**
   * Adds the key now, or after a delay in milliseconds. Of several delays the shortest counts.
   * A key with a failed attempt is not processed before its back-off ends.
   */
  add(key: string, { afterMs = 0 }: { afterMs?: number } = {}): void {
    if (this.#stop.signal.aborted) return;
    const entry = this.#entries.get(key);
    if (entry?.state === "queued" || entry?.state === "dirty") return;
    if (entry?.state === "running") {
      if (afterMs <= 0) {
        entry.state = "dirty";
        return;
      }
      this.#schedule(key, entry, afterMs);
      return;
    }
    if (afterMs > 0) {
      this.#schedule(key, entry ?? this.#createEntry(key), afterMs);
      return;
    }
    this.#enqueue(key, entry ?? this.#createEntry(key));
  }

  /** Drops the key with its failures and delays. Work that already runs is not stopped. */
  forget(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    clearTimeout(entry.timer);
    entry.timer = undefined;
    entry.backoff?.reset();
    if (entry.state === "dirty") entry.state = "running";
    if (entry.state === "delayed") this.#entries.delete(key);
    if (entry.state === "queued") {
      this.#queued.delete(key);
      this.#entries.delete(key);
      this.#notifyIdle();
    }
  }

  /** Resolves when no key is queued or processed; keys with a delay don't count. */
  idle(): Promise<void> {
    if (this.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    for (const entry of this.#entries.values()) clearTimeout(entry.timer);
    this.#queued.clear();
    await Promise.allSettled(this.#running);
    this.#entries.clear();
    this.#notifyIdle();
  }

  #createEntry(key: string): Entry {
    const entry: Entry = { state: "delayed", dueMs: Infinity };
    this.#entries.set(key, entry);
    return entry;
  }

  /** Starts the entry's timer unless an earlier one runs. */
  #schedule(key: string, entry: Entry, afterMs: number): void {
    const dueMs = performance.now() + afterMs;
    if (entry.timer !== undefined && entry.dueMs <= dueMs) return;
    clearTimeout(entry.timer);
    entry.dueMs = dueMs;
    entry.timer = setTimeout(() => {
      entry.timer = undefined;
      if (entry.state === "running") entry.state = "dirty";
      else if (entry.state === "delayed") this.#enqueue(key, entry);
    }, afterMs);
  }

  #enqueue(key: string, entry: Entry): void {
    clearTimeout(entry.timer);
    entry.timer = undefined;
    entry.state = "queued";
    this.#queued.add(key);
    this.#startQueued();
  }

  /** Starts queued keys up to the concurrency. */
  #startQueued(): void {
    const { concurrency = DEFAULT_CONCURRENCY } = this.#options;
    while (this.#running.size < concurrency) {
      const key = this.#takeNext();
      if (key === undefined) return;
      const running: Promise<void> = this.#process(key).finally(() => {
        this.#running.delete(running);
        this.#startQueued();
        this.#notifyIdle();
      });
      this.#running.add(running);
    }
  }

  /** Removes the first queued key and returns it. */
  #takeNext(): string | undefined {
    let next = this.#order.next();
    if (next.done) {
      this.#order = this.#queued.values();
      next = this.#order.next();
    }
    if (next.done) return undefined;
    this.#queued.delete(next.value);
    return next.value;
  }

  /** Runs `work` for one key once. Never rejects. */
  async #process(key: string): Promise<void> {
    const entry = this.#entries.get(key);
    if (!entry) return;
    entry.state = "running";
    let retryMs: number | undefined;
    try {
      // `then` makes a function that throws synchronously behave like one that rejects.
      await Promise.resolve().then(() =>
        this.#options.work(key, this.#stop.signal)
      );
      entry.backoff?.reset();
    } catch (error) {
      if (!this.#stop.signal.aborted) {
        entry.backoff ??= createBackoff(
          this.#options.backoff ?? DEFAULT_BACKOFF,
        );
        retryMs = entry.backoff.next();
        this.#options.onError?.(key, { error, retryMs });
      }
    }
    this.#requeue(key, entry, retryMs);
  }

  /** Decides what happens to a key after an attempt; `retryMs` is set when the attempt failed. */
  #requeue(key: string, entry: Entry, retryMs: number | undefined): void {
    if (this.#stop.signal.aborted) return;
    const isDirty = (entry.state as Entry["state"]) === "dirty";
    entry.state = "delayed";
    // A failed key waits for its back-off even when it was added again: events must not defeat it.
    if (retryMs !== undefined) this.#schedule(key, entry, retryMs);
    else if (isDirty) this.#enqueue(key, entry);
    else if (entry.timer === undefined) this.#entries.delete(key);
  }

  #notifyIdle(): void {
    if (this.size > 0) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const resolve of waiters) resolve();
  }
}
