// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { replaceCredential } from "../../../lib/shared/config/mod.ts";

const NEW_KEY = new Uint8Array(32).fill(6);
const NEW_TEXT = btoa(String.fromCharCode(...NEW_KEY));

for (
  const [before, after] of [
    ["credential: YWJj\n", `credential: ${NEW_TEXT}\n`],
    [
      'a: 1\ncredential:   "YW=" # why\nb: 2\n',
      `a: 1\ncredential:   ${NEW_TEXT} # why\nb: 2\n`,
    ],
    ["credential : 'YW'\n", `credential : ${NEW_TEXT}\n`],
  ] as const
) {
  Deno.test(`replaceCredential() keeps everything else in ${JSON.stringify(before)}`, () => {
    assert.equal(replaceCredential(before, NEW_KEY), after);
  });
}

for (
  const text of [
    "device: x\n",
    "credential: |\n  YWJj\n",
    "host:\n  credential: YWJj\n",
  ]
) {
  Deno.test(`replaceCredential() throws for ${JSON.stringify(text)}`, () => {
    assert.throws(() => replaceCredential(text, NEW_KEY), {
      code: "invalid",
      message: /expected 1$/,
    });
  });
}
