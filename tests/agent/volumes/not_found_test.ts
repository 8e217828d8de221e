// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { ignoreNotFound } from "../../../lib/agent/volumes/not_found.ts";
import { absentPath } from "../../_support/absent_path.ts";

Deno.test("ignoreNotFound() returns the result, or undefined when the path does not exist", async () => {
  const info = await ignoreNotFound(Deno.stat("/"));
  assert.equal(info?.isDirectory, true);
  assert.equal(await ignoreNotFound(Deno.stat(absentPath())), undefined);
});

Deno.test("ignoreNotFound() rejects with any other error", async () => {
  await assert.rejects(
    ignoreNotFound(Deno.readDir("/etc/passwd")[Symbol.asyncIterator]().next()),
    Deno.errors.NotADirectory,
  );
});
