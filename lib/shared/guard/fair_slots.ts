// SPDX-License-Identifier: Apache-2.0
/** Bound on concurrent work of unauthenticated clients. */

import { type Clock, SYSTEM_CLOCK } from "../base/mod.ts";

/** Options of {@linkcode FairSlots}. */
export interface FairSlotsOptions {
  /** Upper bound of slots. */
  maxCount: number;
  /** A slot may be taken away for an equal client after this time, in milliseconds. */
  protectedMs: number;
  /** @default the machine's */
  clock?: Clock;
}

/** Who takes a slot. */
export interface SlotHolder {
  /**
   * Groups that the holder belongs to, narrowest first, e.g. its connection and its network. The
   * slots are shared out fairly between the groups of each level.
   */
  groups: readonly string[];
  /** Called when the slot is taken away for another holder. */
  onEvicted: () => void;
}

interface Slot extends SlotHolder {
  sinceMs: number;
}

/**
 * Hands out a bounded number of slots, so that clients which begin something and never finish it
 * don't keep the others out.
 *
 * When all slots are taken, a new holder evicts the oldest slot of the group that has the most, if
 * that is more than the new one's own group has with it: first among the narrowest groups, then
 * among the wider ones. Between equal groups it evicts the oldest slot that has lost its
 * protection, or gets none: so many clients that come at once behind one address make progress.
 *
 * @example
 * ```ts
 * using slot = slots.acquire({
 *   groups: [connection, network],
 *   onEvicted: () => link.close(reason),
 * });
 * if (!slot) throw overloaded();
 * ```
 */
export class FairSlots {
  readonly #maxCount: number;
  readonly #protectedMs: number;
  readonly #clock: Clock;
  // A Set keeps the order of insertion: the first slot is the oldest.
  readonly #slots = new Set<Slot>();

  constructor({ maxCount, protectedMs, clock }: FairSlotsOptions) {
    this.#maxCount = maxCount;
    this.#protectedMs = protectedMs;
    this.#clock = clock ?? SYSTEM_CLOCK;
  }

  /** Number of slots taken. */
  get count(): number {
    return this.#slots.size;
  }

  /**
   * Takes a slot, or returns undefined when none is free. Dispose the slot to release it; that may
   * be done twice.
   */
  acquire(holder: SlotHolder): Disposable | undefined {
    const nowMs = this.#clock.monotonicMs();
    if (this.#slots.size >= this.#maxCount) {
      const victim = this.#findInLargerGroup(holder) ??
        this.#findUnprotected(nowMs);
      if (!victim) return undefined;
      this.#slots.delete(victim);
      victim.onEvicted();
    }
    const slot = { ...holder, sinceMs: nowMs };
    this.#slots.add(slot);
    return { [Symbol.dispose]: () => void this.#slots.delete(slot) };
  }

  /** Returns the oldest slot of a group that has more than the holder's own will have. */
  #findInLargerGroup({ groups }: SlotHolder): Slot | undefined {
    for (const [level, own] of groups.entries()) {
      const counts = new Map<string | undefined, number>();
      for (const slot of this.#slots) {
        const group = slot.groups[level];
        counts.set(group, (counts.get(group) ?? 0) + 1);
      }
      const largest = Math.max(...counts.values());
      if (largest <= (counts.get(own) ?? 0) + 1) continue;
      return this.#slots.values().find((slot) =>
        counts.get(slot.groups[level]) === largest
      );
    }
    return undefined;
  }

  #findUnprotected(nowMs: number): Slot | undefined {
    const [oldest] = this.#slots;
    return oldest && nowMs - oldest.sinceMs >= this.#protectedMs
      ? oldest
      : undefined;
  }
}
