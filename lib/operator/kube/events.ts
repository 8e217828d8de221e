// SPDX-License-Identifier: Apache-2.0
/** Events about objects, as kubectl describe shows them: aggregated and bounded. */
import {
  AranyaError,
  type Clock,
  KeyedQueue,
  type Logger,
  SYSTEM_CLOCK,
} from "../../shared/base/mod.ts";
import type { KubeClient } from "./api.ts";
import { EVENT } from "./kinds.ts";
import type { KubeEvent, ObjectReference } from "./objects.ts";

/** What happened. */
export interface EventNote {
  /** The object it is about; needs kind, name, uid, and namespace where there is one. */
  involvedObject: ObjectReference;
  /** Warning: somebody may have to act. */
  type: "Normal" | "Warning";
  /** CamelCase constant. */
  reason: string;
  /** For people. */
  message: string;
  /** Name of the node that reports it. */
  host?: string;
  /** RFC 3339. @default now */
  time?: string;
}

/** See {@linkcode createEventRecorder}. */
export interface EventRecorder extends AsyncDisposable {
  /** Writes it, soon. Equal ones become one with a count; too many about one object are dropped. Never throws, never waits. */
  record(note: EventNote): void;
  /** Resolves when all that was recorded has been written or given up. */
  flush(): Promise<void>;
}

/** Options of {@linkcode createEventRecorder}. */
export interface EventRecorderOptions {
  /** Writes the events. */
  client: KubeClient;
  /** Told once when events are dropped. */
  log: Logger;
  /** Who reports. @default "aranya" */
  component?: string;
  /** Time, for tests to hold. @default the machine's */
  clock?: Clock;
}

/** An event that we have written or are about to write. */
interface Entry {
  note: EventNote;
  name: string;
  namespace: string;
  firstTime: string;
  lastTime: string;
  count: number;
  /** Count on the API server; 0: not there yet. */
  written: number;
  failures: number;
}

/** How many more events about one object may be written. */
interface Allowance {
  left: number;
  atMs: number;
}

const MAX_ENTRIES = 4096;
const MAX_PER_OBJECT = 25;
const REFILL_MS = 60_000;
const MAX_FAILURES = 3;
const MAX_MESSAGE_LENGTH = 1024;

/** Makes a recorder; dispose it to write what is left. */
export function createEventRecorder(
  options: EventRecorderOptions,
): EventRecorder {
  return new Recorder(options);
}

class Recorder implements EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #clock: Clock;
  readonly #queue: KeyedQueue;
  /** In the order of their last use. */
  readonly #entries = new Map<string, Entry>();
  readonly #allowances = new Map<string, Allowance>();
  #serial = Date.now();
  #told = false;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#queue = new KeyedQueue({
      work: (key, signal) => this.#write(key, signal),
      concurrency: 4,
    });
  }

  record(note: EventNote): void {
    const message = note.message.slice(0, MAX_MESSAGE_LENGTH);
    const key = [
      note.involvedObject.uid,
      note.involvedObject.fieldPath,
      note.type,
      note.reason,
      message,
    ].join("\n");
    if (!this.#allow(note)) return;
    const time = note.time ?? toSeconds(this.#clock.wallMs());
    const entry = this.#entries.get(key) ?? this.#create(note, time);
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    entry.note = { ...note, message };
    entry.count++;
    entry.lastTime = time;
    this.#trim();
    this.#queue.add(key);
  }

  flush(): Promise<void> {
    return this.#queue.idle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const patience = new AbortController();
    await Promise.race([
      this.flush(),
      this.#clock.sleep(1000, { signal: patience.signal }).catch(() => {}),
    ]);
    patience.abort();
    await this.#queue[Symbol.asyncDispose]();
  }

  #create(note: EventNote, time: string): Entry {
    this.#serial++;
    return {
      note,
      name: `${note.involvedObject.name ?? "unknown"}.${
        this.#serial.toString(16)
      }`,
      // Events about what is in no namespace live in "default".
      namespace: note.involvedObject.namespace ?? "default",
      firstTime: time,
      lastTime: time,
      count: 0,
      written: 0,
      failures: 0,
    };
  }

  #allow(note: EventNote): boolean {
    const nowMs = this.#clock.monotonicMs();
    const key = note.involvedObject.uid ?? note.involvedObject.name ?? "";
    const allowance = this.#allowances.get(key) ??
      { left: MAX_PER_OBJECT, atMs: nowMs };
    const gained = Math.floor((nowMs - allowance.atMs) / REFILL_MS);
    allowance.left = Math.min(MAX_PER_OBJECT, allowance.left + gained);
    allowance.atMs += gained * REFILL_MS;
    this.#allowances.delete(key);
    this.#allowances.set(key, allowance);
    if (allowance.left === 0) return false;
    allowance.left--;
    return true;
  }

  #trim(): void {
    for (const map of [this.#entries, this.#allowances]) {
      while (map.size > MAX_ENTRIES) {
        const [oldest] = map.keys();
        if (oldest === undefined) break;
        map.delete(oldest);
      }
    }
  }

  async #write(key: string, signal: AbortSignal): Promise<void> {
    const entry = this.#entries.get(key);
    if (!entry || entry.written === entry.count) return;
    const { count } = entry;
    try {
      if (entry.written > 0 && await this.#raise(entry, signal)) {
        entry.written = count;
      } else {
        await this.#options.client.create(EVENT, this.#toEvent(entry), {
          signal,
          timeoutMs: 10_000,
        });
        entry.written = count;
      }
      entry.failures = 0;
      this.#told = false;
    } catch (error) {
      if (signal.aborted) return;
      this.#giveUp(key, { entry, error });
    }
  }

  /** Raises the count of an event that is there. @returns false when it isn't there any more */
  async #raise(entry: Entry, signal: AbortSignal): Promise<boolean> {
    const { namespace, name, count, lastTime } = entry;
    try {
      await this.#options.client.patch(EVENT, { namespace, name }, {
        body: { count, lastTimestamp: lastTime },
        signal,
        timeoutMs: 10_000,
      });
      return true;
    } catch (error) {
      if (!(error instanceof AranyaError) || error.code !== "not_found") {
        throw error;
      }
      // It outlived its hour on the API server.
      entry.name = this.#create(entry.note, lastTime).name;
      entry.firstTime = lastTime;
      return false;
    }
  }

  /** Events are a courtesy: one that can't be written is dropped in the end. */
  #giveUp(key: string, what: { entry: Entry; error: unknown }): void {
    const { entry, error } = what;
    const retriable = error instanceof AranyaError &&
      (error.code === "unavailable" || error.code === "timed_out");
    if (retriable && ++entry.failures <= MAX_FAILURES) throw error;
    this.#entries.delete(key);
    if (!this.#told) {
      this.#options.log.warn("event dropped", {
        reason: entry.note.reason,
        error,
      });
    }
    this.#told = true;
  }

  #toEvent(entry: Entry): KubeEvent {
    const { note, namespace, name } = entry;
    const { component = "aranya" } = this.#options;
    return {
      metadata: { namespace, name },
      involvedObject: { apiVersion: "v1", ...note.involvedObject },
      type: note.type,
      reason: note.reason,
      message: note.message,
      source: {
        component,
        ...(note.host === undefined ? {} : { host: note.host }),
      },
      firstTimestamp: entry.firstTime,
      lastTimestamp: entry.lastTime,
      count: entry.count,
      reportingComponent: component,
      reportingInstance: note.host ?? "",
    };
  }
}

/** RFC 3339 without fractions, as most of Kubernetes' times are. */
function toSeconds(wallMs: number): string {
  return new Date(wallMs).toISOString().replace(/\.\d+Z$/, "Z");
}
