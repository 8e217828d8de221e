// SPDX-License-Identifier: Apache-2.0
/** One timer that is moved around: many deadlines, one sleep. */
import type { Clock } from "../base/mod.ts";

/** See {@linkcode createAlarm}. */
export interface Alarm {
  /** Rings at this monotonic time or before; an earlier plan stays. Times behind us ring at the next turn. */
  at(dueMs: number): void;
  /** Rings no more. */
  stop(): void;
}

/** Options of {@linkcode createAlarm}. */
export interface AlarmOptions {
  clock: Clock;
  /** Looks at what is due and plans the next time; told how late the ring is, in milliseconds. Must not throw. */
  ring: (lateMs: number) => void;
}

/** Makes an alarm that is not set. */
export function createAlarm({ clock, ring }: AlarmOptions): Alarm {
  let plan: { dueMs: number; sleeping: AbortController } | undefined;
  let stopped = false;
  return {
    at(dueMs) {
      if (stopped || (plan && plan.dueMs <= dueMs) || dueMs === Infinity) {
        return;
      }
      plan?.sleeping.abort();
      const own = { dueMs, sleeping: new AbortController() };
      plan = own;
      const delayMs = Math.max(0, dueMs - clock.monotonicMs());
      clock.sleep(delayMs, { signal: own.sleeping.signal }).then(
        () => {
          if (plan !== own) return;
          plan = undefined;
          ring(Math.max(0, clock.monotonicMs() - dueMs));
        },
        // Only our own abort ends a sleep early.
        () => {},
      );
    },
    stop() {
      stopped = true;
      plan?.sleeping.abort();
      plan = undefined;
    },
  };
}
