// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  type EvictionQuantity,
  parseEvictionQuantity,
} from "../../../lib/shared/config/eviction.ts";

const CASES: [string, EvictionQuantity | undefined][] = [
  ["0", { count: 0 }],
  ["1000", { count: 1_000 }],
  ["100Mi", { count: 104_857_600 }],
  ["1.5Gi", { count: 1_610_612_736 }],
  ["2k", { count: 2_000 }],
  ["10%", { share: 0.1 }],
  ["0%", { share: 0 }],
  ["100%", { share: 1 }],
  ["101%", undefined],
  ["-1", undefined],
  ["10 %", undefined],
  ["1MB", undefined],
  ["", undefined],
];

for (const [text, expected] of CASES) {
  Deno.test(`parseEvictionQuantity() returns ${JSON.stringify(expected)} for "${text}"`, () => {
    assert.deepEqual(parseEvictionQuantity(text), expected);
  });
}
