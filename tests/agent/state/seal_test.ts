// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { utf8 } from "../../../lib/shared/base/mod.ts";
import { createSeal } from "../../../lib/agent/state/mod.ts";

Deno.test("open() returns what seal() took, under the same name only", () => {
  const seal = createSeal(new Uint8Array(32));
  for (const content of [utf8(""), utf8("x"), new Uint8Array(100_000)]) {
    const sealed = seal.seal("a", content);
    assert.deepEqual(seal.open("a", sealed), content);
    assert.equal(seal.open("b", sealed), undefined);
  }
});

Deno.test("seal() returns other bytes for the same content each time", () => {
  const seal = createSeal(new Uint8Array(32));
  assert.notDeepEqual(seal.seal("a", utf8("x")), seal.seal("a", utf8("x")));
});

Deno.test("createSeal() throws when the key has another length", () => {
  assert.throws(() => createSeal(new Uint8Array(16)), RangeError);
});
