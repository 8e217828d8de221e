// SPDX-License-Identifier: Apache-2.0
/**
 * A keyed work queue for level-based reconciling: a key says what to look at, never what happened.
 * A key is worked on by one worker at a time; added while it is being worked on, it runs once more afterwards.
 */
import { type Backoff, type BackoffOptions, createBackoff } from "./backoff.ts";

/** Options of {@linkcode createKeyedQueue}. */
export interface KeyedQueueOptions {
  /** Looks at one key and makes it right. A rejection is retried after a growing delay. */
  work: (key: string, signal: AbortSignal) => Promise<void>;
  /** Keys worked on at the same time. @default 16 */
  concurrency?: number;
  /** Delays after failures, per key. @default 200 ms doubling to 60 s, half of it jitter */
  backoff?: BackoffOptions;
  /** Told of each failure before its retry; must not throw. */
  onError?: (key: string, error: unknown, retryMs: number) => void;
}

/** See {@linkcode createKeyedQueue}. */
export interface KeyedQueue extends AsyncDisposable {
  /** Has the key looked at, soon or after a delay in milliseconds. An earlier time wins. */
  add(key: string, options?: { afterMs?: number }): void;
  /** Forgets the key's failures and what is planned for it; a running look is not stopped. */
  forget(key: string): void;
  /** Keys waiting or being worked on, those with a delay not counted. */
  readonly size: number;
  /** Resolves when nothing waits and nothing runs, delays aside. */
  idle(): Promise<void>;
}

interface Entry {
  state: "delayed" | "waiting" | "running" | "again";
  timer?: ReturnType<typeof setTimeout> | undefined;
  dueMs: number;
  backoff?: Backoff;
}

const DEFAULT_BACKOFF: BackoffOptions = {
  initialDelayMs: 200,
  maxDelayMs: 60_000,
  factor: 2,
  jitter: 0.5,
};

/** Makes a queue; dispose it to stop: running work is aborted and awaited. */
export function createKeyedQueue(options: KeyedQueueOptions): KeyedQueue {
  return new Queue(options);
}

class Queue implements KeyedQueue {
  readonly #options: KeyedQueueOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #waiting: string[] = [];
  readonly #running = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #idlers: (() => void)[] = [];

  constructor(options: KeyedQueueOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#waiting.length + this.#running.size;
  }

  add(key: string, { afterMs = 0 }: { afterMs?: number } = {}): void {
    if (this.#stop.signal.aborted) return;
    const entry = this.#entries.get(key);
    if (entry?.state === "waiting" || entry?.state === "again") return;
    if (entry?.state === "running") {
      if (afterMs <= 0) {
        entry.state = "again";
        return;
      }
      this.#delay(key, entry, afterMs);
      return;
    }
    if (afterMs > 0) {
      this.#delay(key, entry ?? this.#create(key), afterMs);
      return;
    }
    this.#enqueue(key, entry ?? this.#create(key));
  }

  forget(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    clearTimeout(entry.timer);
    entry.timer = undefined;
    entry.backoff?.reset();
    if (entry.state === "again") entry.state = "running";
    if (entry.state === "delayed") this.#entries.delete(key);
    if (entry.state === "waiting") {
      this.#waiting.splice(this.#waiting.indexOf(key), 1);
      this.#entries.delete(key);
      this.#settle();
    }
  }

  idle(): Promise<void> {
    if (this.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idlers.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    for (const entry of this.#entries.values()) clearTimeout(entry.timer);
    this.#waiting.length = 0;
    await Promise.allSettled(this.#running);
    this.#entries.clear();
    this.#settle();
  }

  #create(key: string): Entry {
    const entry: Entry = { state: "delayed", dueMs: Infinity };
    this.#entries.set(key, entry);
    return entry;
  }

  /** Plans a look; while the key is running the plan is kept beside it. */
  #delay(key: string, entry: Entry, afterMs: number): void {
    const dueMs = performance.now() + afterMs;
    if (entry.timer !== undefined && entry.dueMs <= dueMs) return;
    clearTimeout(entry.timer);
    entry.dueMs = dueMs;
    entry.timer = setTimeout(() => {
      entry.timer = undefined;
      if (entry.state === "running") entry.state = "again";
      else if (entry.state === "delayed") this.#enqueue(key, entry);
    }, afterMs);
  }

  #enqueue(key: string, entry: Entry): void {
    clearTimeout(entry.timer);
    entry.timer = undefined;
    entry.state = "waiting";
    this.#waiting.push(key);
    this.#pump();
  }

  #pump(): void {
    while (this.#running.size < (this.#options.concurrency ?? 16)) {
      const key = this.#waiting.shift();
      if (key === undefined) return;
      const running: Promise<void> = this.#run(key).finally(() => {
        this.#running.delete(running);
        this.#pump();
        this.#settle();
      });
      this.#running.add(running);
    }
  }

  async #run(key: string): Promise<void> {
    const entry = this.#entries.get(key);
    if (!entry) return;
    entry.state = "running";
    let retryMs = -1;
    try {
      // The tick lets a work function that throws at once behave like one that rejects.
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
        this.#options.onError?.(key, error, retryMs);
      }
    }
    this.#after(key, entry, retryMs);
  }

  #after(key: string, entry: Entry, retryMs: number): void {
    if (this.#stop.signal.aborted) return;
    const again = (entry.state as Entry["state"]) === "again";
    entry.state = "delayed";
    // A key that fails and is asked for again still waits its turn: events must not defeat the back-off.
    if (retryMs >= 0) this.#delay(key, entry, retryMs);
    else if (again) this.#enqueue(key, entry);
    else if (entry.timer === undefined) this.#entries.delete(key);
  }

  #settle(): void {
    if (this.size > 0) return;
    const idlers = this.#idlers;
    this.#idlers = [];
    for (const resolve of idlers) resolve();
  }
}
