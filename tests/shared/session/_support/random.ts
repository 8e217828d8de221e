// SPDX-License-Identifier: Apache-2.0
/** Numbers that look random and are the same each time (xorshift32, Marsaglia 2003). */
export interface Random {
  /** From 0 to below the bound. */
  below(bound: number): number;
  bytes(length: number): Uint8Array;
}

/** Makes a row of numbers from a seed above 0. */
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
    bytes: (length) => Uint8Array.from({ length }, () => next() & 0xff),
  };
}
