// SPDX-License-Identifier: Apache-2.0
/** Comments fit a window: `deno fmt` does not wrap them. */
import assert from "node:assert/strict";
import { readSources, wideComments } from "../../dev/rules/signals.ts";

Deno.test("no comment is wider than 100 columns", async () => {
  const sources = await readSources();
  assert.ok(sources.length > 400, `${sources.length} files`);
  assert.deepEqual(wideComments(sources).map(({ text }) => text), []);
});
