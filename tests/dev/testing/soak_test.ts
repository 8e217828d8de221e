// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { noResults } from "../../../dev/testing/results.ts";
import { toSeeds, toSoakTable } from "../../../dev/testing/soak.ts";

Deno.test("toSeeds() begins with the seed, and returns the same different seeds for it", () => {
  const seeds = toSeeds(42, 6);
  assert.equal(seeds[0], 42);
  assert.equal(new Set(seeds).size, 6);
  assert.deepEqual(toSeeds(42, 6), seeds);
  assert.notDeepEqual(toSeeds(43, 6).slice(1), seeds.slice(1));
  assert.ok(seeds.every((one) => one >= 1 && one <= 999_999), `${seeds}`);
});

Deno.test("toSoakTable() has a row for each run, and names failed tests", () => {
  assert.deepEqual(
    toSoakTable([
      { seed: 42, ms: 754_000, results: { ...noResults(), passed: 113 } },
      {
        seed: 123_456,
        ms: 61_000,
        results: {
          ...noResults(),
          passed: 9,
          failed: 3,
          failures: [
            { file: "a_test.ts", title: "a", message: "x" },
            { file: "b_test.ts", title: "b", message: "y" },
          ],
        },
      },
    ]),
    [
      "",
      "== runs",
      "run    seed  passed  failed    time  failed tests",
      "  1      42     113       0  12m34s",
      "  2  123456       9       3    1m1s  a_test.ts: a",
      "                                     b_test.ts: b",
    ],
  );
});
