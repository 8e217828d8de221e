// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { defined } from "../../../lib/shared/base/defined.ts";

Deno.test("defined() removes undefined properties and keeps all others", () => {
  const given: { a?: number | undefined; b: string | undefined; c: null } = {
    a: 0,
    b: undefined,
    c: null,
  };
  const kept: { a?: number; b?: string; c: null } = defined(given);
  assert.deepEqual(kept, { a: 0, c: null });
  assert.ok(!("b" in kept));
  assert.deepEqual(defined({ no: false, empty: "" }), { no: false, empty: "" });
});
