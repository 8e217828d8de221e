// SPDX-License-Identifier: Apache-2.0
/** Pods on the engine that the agent has no record of. */
import type { Clock } from "../../shared/base/mod.ts";

/**
 * A pod that has been unknown for this long is not one that is being purged, or that a listing
 * shows late.
 */
export const UNKNOWN_POD_AGE_MS = 60_000;

/** Remembers since when pods are unknown. */
export class UnknownPods {
  readonly #clock: Clock;
  readonly #sinceMs = new Map<string, number>();

  constructor({ clock }: { clock: Clock }) {
    this.#clock = clock;
  }

  /** Records that something happened in an unknown pod. */
  add(uid: string): void {
    if (this.#sinceMs.has(uid)) return;
    this.#sinceMs.set(uid, this.#clock.monotonicMs());
  }

  /**
   * Returns those pods of a listing that have been unknown for a minute, and forgets them; also
   * forgets pods that are not listed any more.
   * @param unknown the unknown pods of the listing
   */
  takeOld<Pod extends { uid: string }>(unknown: readonly Pod[]): Pod[] {
    const uids = new Set(unknown.map(({ uid }) => uid));
    for (const uid of this.#sinceMs.keys()) {
      if (!uids.has(uid)) this.#sinceMs.delete(uid);
    }
    for (const uid of uids) this.add(uid);
    const bornBeforeMs = this.#clock.monotonicMs() - UNKNOWN_POD_AGE_MS;
    return unknown.filter(({ uid }) => {
      const isOld = (this.#sinceMs.get(uid) ?? Infinity) <= bornBeforeMs;
      if (isOld) this.#sinceMs.delete(uid);
      return isOld;
    });
  }
}
