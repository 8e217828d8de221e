// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  replaceCredential,
  writeCredential,
} from "../../lib/agent/credential_file.ts";

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
    assert.throws(() => replaceCredential(text, NEW_KEY), /expected 1/);
  });
}

Deno.test("writeCredential() replaces the credential and keeps the file's mode", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const path = `${dir}/agent.yaml`;
    await Deno.writeTextFile(path, "credential: YWJj # mine\n", {
      mode: 0o640,
    });
    await Deno.chmod(path, 0o640);
    await writeCredential(path, NEW_KEY);
    assert.equal(
      await Deno.readTextFile(path),
      `credential: ${NEW_TEXT} # mine\n`,
    );
    const { mode } = await Deno.stat(path);
    assert.equal((mode ?? 0) & 0o777, 0o640);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("writeCredential() fails when the file is missing", async () => {
  await assert.rejects(
    writeCredential("/absent/agent.yaml", NEW_KEY),
    /^AranyaError: Cannot rotate credential: cannot read "\/absent\/agent.yaml"/,
  );
});
