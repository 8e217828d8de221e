// SPDX-License-Identifier: Apache-2.0
/** A clock whose time passes only when all work waits for it: deterministic, and fast. */
import { setImmediate } from "node:timers/promises";
import type { Clock } from "../../../../lib/shared/base/mod.ts";

interface Sleeper {
  dueMs: number;
  end: () => void;
}

/** Time stands still except in `run` and `pass`. */
export class VirtualClock implements Clock {
  #nowMs = 1_000;
  #sleepers: Sleeper[] = [];

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 1_800_000_000_000 + this.#nowMs;
  }

  /** Number of pending sleeps. */
  get sleeperCount(): number {
    return this.#sleepers.length;
  }

  sleep(
    delayMs: number,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const sleeper = {
        dueMs: this.#nowMs + Math.max(0, delayMs),
        end: () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      const onAbort = () => {
        this.#sleepers = this.#sleepers.filter((each) => each !== sleeper);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#sleepers.push(sleeper);
    });
  }

  /**
   * Lets time pass until the work settles. Throws when that takes more than `limitMs` of virtual
   * time, or when the work waits for something else than this clock.
   */
  async run<T>(
    work: Promise<T>,
    { limitMs = 3_600_000 }: { limitMs?: number } = {},
  ): Promise<T> {
    let done = false;
    const settled = work.finally(() => done = true);
    settled.catch(() => {});
    const endMs = this.#nowMs + limitMs;
    await setImmediate();
    while (!done) {
      const next = this.#sleepers.reduce<Sleeper | undefined>(
        (first, each) => first && first.dueMs <= each.dueMs ? first : each,
        undefined,
      );
      if (!next) throw new Error("the work is pending although no sleep is");
      if (next.dueMs > endMs) {
        throw new Error(`not done after ${limitMs} ms of virtual time`);
      }
      this.#sleepers = this.#sleepers.filter((each) => each !== next);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.end();
      await setImmediate();
    }
    return await settled;
  }

  /** Moves the time without ending any sleep, as when the process was paused. */
  jump(delayMs: number): void {
    this.#nowMs += delayMs;
  }

  /** Lets this much time pass. */
  async pass(delayMs: number): Promise<void> {
    await this.run(this.sleep(delayMs));
  }
}
