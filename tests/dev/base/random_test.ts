// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createRandom } from "../../../dev/base/random.ts";

const take = (seed: number, count: number) => {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => random.below(1000));
};

Deno.test("createRandom() returns the same numbers for a seed, and others for another", () => {
  assert.deepEqual(take(7, 20), take(7, 20));
  assert.notDeepEqual(take(7, 20), take(8, 20));
});

Deno.test("Random.fraction() returns numbers from 0 to below 1 of both halves", () => {
  const random = createRandom(3);
  const numbers = Array.from({ length: 1000 }, () => random.fraction());
  assert.ok(numbers.every((one) => one >= 0 && one < 1));
  const low = numbers.filter((one) => one < 0.5).length;
  assert.ok(low > 400 && low < 600, `${low} of 1000 in the lower half`);
});
