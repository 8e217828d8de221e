// SPDX-License-Identifier: Apache-2.0
/** Bound on log lines that a peer can cause. */
import { type Clock, SYSTEM_CLOCK } from "./clock.ts";

/** Options of {@linkcode LogLimit}. */
export interface LogLimitOptions {
  /** Time in which one line of a key is written, in milliseconds. @default 10000 */
  intervalMs?: number;
  /** Upper bound of remembered keys; the keys above it share one line. @default 1000 */
  maxKeyCount?: number;
  clock?: Clock;
}

interface Interval {
  sinceMs: number;
  suppressedCount: number;
}

/** Key of all lines whose own key is one too many. */
const OTHERS = "";

/**
 * Lets one line per key and interval through, with the number of lines that were held back before
 * it.
 *
 * @example
 * ```ts
 * const admitted = limit.admit(error.code);
 * if (admitted) log.warn("agent was refused", { ...admitted, error });
 * ```
 */
export class LogLimit {
  readonly #intervalMs: number;
  readonly #maxKeyCount: number;
  readonly #clock: Clock;
  readonly #intervals = new Map<string, Interval>();

  constructor(options: LogLimitOptions = {}) {
    this.#intervalMs = options.intervalMs ?? 10_000;
    this.#maxKeyCount = options.maxKeyCount ?? 1000;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
  }

  /**
   * Returns the fields to add to the line, empty when none was held back; undefined when this line
   * is held back.
   */
  admit(key: string): { suppressed?: number } | undefined {
    const nowMs = this.#clock.monotonicMs();
    const name = this.#hasRoom(key, nowMs) ? key : OTHERS;
    const found = this.#intervals.get(name);
    if (found && nowMs - found.sinceMs < this.#intervalMs) {
      found.suppressedCount++;
      return undefined;
    }
    this.#intervals.set(name, { sinceMs: nowMs, suppressedCount: 0 });
    return found && found.suppressedCount > 0
      ? { suppressed: found.suppressedCount }
      : {};
  }

  /** Returns whether the key has an interval of its own or may have one. */
  #hasRoom(key: string, nowMs: number): boolean {
    if (this.#intervals.has(key)) return true;
    if (this.#intervals.size < this.#maxKeyCount) return true;
    for (const [old, { sinceMs }] of this.#intervals) {
      if (nowMs - sinceMs >= this.#intervalMs) this.#intervals.delete(old);
    }
    return this.#intervals.size < this.#maxKeyCount;
  }
}
