// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { encodeFirst } from "../../../lib/agent/commands/first_elements.ts";
import { fromUtf8, utf8 } from "../../../lib/shared/base/mod.ts";

const CASES: {
  elements: string[];
  maxBytes: number;
  payload: string;
  count: number;
}[] = [
  { elements: [], maxBytes: 4, payload: "", count: 0 },
  { elements: ["ab", "cd"], maxBytes: 4, payload: "abcd", count: 2 },
  { elements: ["ab", "cd"], maxBytes: 3, payload: "ab", count: 1 },
  // What comes after the first that does not fit is not tried.
  { elements: ["ab", "cd", "e"], maxBytes: 3, payload: "ab", count: 1 },
  { elements: ["abcde", "f"], maxBytes: 3, payload: "abcde", count: 1 },
];

for (const { elements, maxBytes, payload, count } of CASES) {
  Deno.test(`encodeFirst() encodes ${count} of ${JSON.stringify(elements)} in ${maxBytes} bytes`, () => {
    const encoded = encodeFirst(elements, { maxBytes, encodeOne: utf8 });
    assert.equal(fromUtf8(encoded.payload), payload);
    assert.equal(encoded.count, count);
  });
}
