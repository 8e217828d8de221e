// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { EMPTY_STREAM } from "../../../lib/shared/base/empty_stream.ts";

Deno.test("EMPTY_STREAM ends at once, each time it is read", async () => {
  assert.deepEqual(await Array.fromAsync(EMPTY_STREAM), []);
  assert.deepEqual(await Array.fromAsync(EMPTY_STREAM), []);
});
