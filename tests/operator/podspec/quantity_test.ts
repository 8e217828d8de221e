// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  divideQuantity,
  parseQuantity,
  toMillis,
  toUnits,
} from "../../../lib/operator/podspec/quantity.ts";

Deno.test("parseQuantity() parses every form of a quantity", () => {
  const cases: [string, number][] = [
    ["0", 0],
    ["1.5", 1.5],
    [".5", 0.5],
    ["100m", 0.1],
    ["64Mi", 67108864],
    ["1k", 1000],
    ["2Gi", 2147483648],
    ["1e3", 1000],
    ["1E3", 1000],
    ["3E", 3e18],
    ["-1", -1],
    ["250u", 0.00025],
  ];
  for (const [text, value] of cases) {
    assert.equal(parseQuantity(text), value, text);
  }
});

Deno.test("parseQuantity() throws for other texts", () => {
  for (const text of ["", "1 Gi", "abc", "1KB", "--1", "1e"]) {
    assert.throws(() => parseQuantity(text), { code: "invalid" }, text);
  }
});

Deno.test("toMillis() and toUnits() round up", () => {
  assert.equal(toMillis("0.3"), 300);
  assert.equal(toMillis("1.0001"), 1001);
  assert.equal(toMillis("250m"), 250);
  assert.equal(toUnits("1500m"), 2);
  assert.equal(toUnits("128Mi"), 134217728);
});

Deno.test("divideQuantity() returns how many times the divisor fits, rounded up", () => {
  assert.equal(divideQuantity(0.25, "1"), "1");
  assert.equal(divideQuantity(0.25, "1m"), "250");
  assert.equal(divideQuantity(67108864, "1Mi"), "64");
  assert.equal(divideQuantity(5, "0"), "5");
});
