// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { utf8 } from "../../../lib/shared/base/mod.ts";
import { openBytes, sealBytes } from "../../../lib/shared/noise/aead.ts";

const KEY = new Uint8Array(32).fill(9);

Deno.test("openBytes() returns what sealBytes() sealed", () => {
  for (const length of [0, 1, 63, 64, 65, 65_000]) {
    const data = crypto.getRandomValues(new Uint8Array(length));
    const sealed = sealBytes(KEY, { counter: 5, data });
    assert.equal(sealed.length, length + 16);
    assert.deepEqual(
      Array.from(openBytes(KEY, { counter: 5, sealed }) ?? [-1]),
      Array.from(data),
    );
  }
});

Deno.test("openBytes() returns undefined for another counter, key or associated data", () => {
  const sealed = sealBytes(KEY, {
    counter: 2 ** 32,
    data: utf8("x"),
    associated: utf8("a"),
  });
  const associated = utf8("a");
  const right = { counter: 2 ** 32, sealed, associated };
  assert.ok(openBytes(KEY, right));
  assert.equal(openBytes(KEY, { ...right, counter: 0 }), undefined);
  assert.equal(openBytes(KEY, { ...right, associated: utf8("b") }), undefined);
  assert.equal(openBytes(new Uint8Array(32), right), undefined);
  assert.equal(
    openBytes(KEY, { ...right, sealed: sealed.subarray(1) }),
    undefined,
  );
  assert.equal(
    openBytes(KEY, { ...right, sealed: new Uint8Array(3) }),
    undefined,
  );
});

Deno.test("sealBytes() reserves room for a header", () => {
  const sealed = sealBytes(KEY, {
    counter: 0,
    data: utf8("abc"),
    headroomBytes: 4,
  });
  assert.equal(sealed.length, 4 + 3 + 16);
  assert.deepEqual(Array.from(sealed.subarray(0, 4)), [0, 0, 0, 0]);
  assert.ok(openBytes(KEY, { counter: 0, sealed: sealed.subarray(4) }));
});
