// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { covers } from "../../../lib/operator/device/covers.ts";

Deno.test("covers() ignores fields that are not desired", () => {
  assert.equal(
    covers({ a: 1, b: { c: [1, { d: 2, e: 3 }] } }, {
      b: { c: [1, { d: 2 }] },
    }),
    true,
  );
  assert.equal(covers(undefined, {}), true);
});

Deno.test("covers() is false for a missing field, another value and a longer list", () => {
  assert.equal(covers({}, { a: 1 }), false);
  assert.equal(covers({ a: "1" }, { a: 1 }), false);
  assert.equal(covers({ a: [1, 2] }, { a: [1] }), false);
});
