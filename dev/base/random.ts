// SPDX-License-Identifier: Apache-2.0
/** Pseudo-random numbers that are the same in every run (xorshift32, Marsaglia 2003). */
export interface Random {
  /** Returns an integer from 0 to below the bound. */
  below(bound: number): number;
  /** Returns a number from 0 to below 1. */
  fraction(): number;
  bytes(length: number): Uint8Array;
}

/** Makes a generator from a seed above 0. */
export function createRandom(seed: number): Random {
  let state = seed * 2_654_435_761 >>> 0;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
  return {
    below: (bound) => bound <= 0 ? 0 : next() % Math.floor(bound),
    fraction: () => next() / 2 ** 32,
    bytes: (length) => Uint8Array.from({ length }, () => next() & 0xff),
  };
}
