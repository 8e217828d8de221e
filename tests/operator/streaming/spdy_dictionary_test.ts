// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fromUtf8, sha256Hex } from "../../../lib/shared/base/mod.ts";
import {
  adler32,
  DICTIONARY_ID,
  spdyDictionary,
} from "../../../lib/operator/streaming/spdy_dictionary.ts";

Deno.test("spdyDictionary() returns the bytes of the specification", async () => {
  const dictionary = spdyDictionary();
  assert.equal(dictionary.length, 1423);
  assert.equal(adler32(dictionary), DICTIONARY_ID);
  assert.equal(
    await sha256Hex(dictionary),
    "51d27341373f923f3cd88e1eb7162aeaa3723d7585ff2399201dc06498407f02",
  );
  assert.equal(fromUtf8(dictionary.subarray(0, 11)), "\0\0\0\x07options");
});

Deno.test("adler32() returns the checksum of a known text", () => {
  assert.equal(adler32(new TextEncoder().encode("Wikipedia")), 0x11e60398);
});
