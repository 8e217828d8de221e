// SPDX-License-Identifier: Apache-2.0
/** Bound on reviews that clients cause at the API server. */
import { AranyaError } from "../../shared/base/mod.ts";
import { FairSlots } from "../../shared/guard/mod.ts";

/** Options of {@linkcode ReviewPool}. */
export interface ReviewPoolOptions {
  /** Upper bound of reviews at the same time. */
  maxRunningCount: number;
  /** Upper bound of reviews that run or wait. */
  maxCount: number;
}

/** A waiting review keeps its slot against an equal share: its own deadline is shorter. */
const PROTECTED_MS = 60_000;

/**
 * Runs few reviews at a time, so that they don't keep the operator's own requests waiting, and lets
 * a bounded number wait. When too many wait, the slots are shared out between the sources that
 * the reviews come from; see {@linkcode FairSlots}.
 */
export class ReviewPool {
  readonly #maxRunningCount: number;
  readonly #slots: FairSlots;
  /** Resolvers of the reviews whose turn has not come, in their order. */
  readonly #waiting = new Set<() => void>();
  #runningCount = 0;

  constructor({ maxRunningCount, maxCount }: ReviewPoolOptions) {
    this.#maxRunningCount = maxRunningCount;
    this.#slots = new FairSlots({ maxCount, protectedMs: PROTECTED_MS });
  }

  /**
   * Runs a review when its turn has come.
   * @throws {AranyaError} code "unavailable" when too many reviews wait; recognized by
   * {@linkcode isOverloaded}
   * @throws what the review throws
   */
  async run<T>(source: string, review: () => Promise<T>): Promise<T> {
    const turn = Promise.withResolvers<void>();
    const start = () => turn.resolve();
    using slot = this.#slots.acquire({
      groups: [source],
      onEvicted: () => {
        // One that runs already is only no longer counted.
        if (this.#waiting.delete(start)) turn.reject(overloaded());
      },
    });
    if (!slot) throw overloaded();
    this.#waiting.add(start);
    this.#startNext();
    await turn.promise;
    try {
      return await review();
    } finally {
      this.#runningCount--;
      this.#startNext();
    }
  }

  #startNext(): void {
    if (this.#runningCount >= this.#maxRunningCount) return;
    const [start] = this.#waiting;
    if (!start) return;
    this.#waiting.delete(start);
    this.#runningCount++;
    start();
  }
}

/** Returns whether a review was not made because too many others wait. */
export function isOverloaded(error: unknown): boolean {
  return error instanceof AranyaError && error.details?.isOverloaded === true;
}

function overloaded(): AranyaError {
  return new AranyaError(
    "unavailable",
    "Cannot review access: too many reviews are waiting",
    { details: { isOverloaded: true } },
  );
}
