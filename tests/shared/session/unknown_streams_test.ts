// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { UnknownStreams } from "../../../lib/shared/session/unknown_streams.ts";
import {
  decodeMessage,
  UnknownStreamsSchema,
} from "../../../lib/shared/wire/mod.ts";

function takeIds(unknown: UnknownStreams): number[] | undefined {
  const report = unknown.takeReport();
  return report && decodeMessage(UnknownStreamsSchema, report).streams;
}

Deno.test("takeReport() returns all ids that wait, each once", () => {
  const unknown = new UnknownStreams();
  assert.equal(takeIds(unknown), undefined);
  assert.deepEqual([3, 5, 3].map((id) => unknown.add(id)), [true, true, true]);
  assert.deepEqual(takeIds(unknown), [3, 5]);
  assert.equal(unknown.add(3), false);
  assert.equal(unknown.add(7), true);
  assert.deepEqual(takeIds(unknown), [7]);
});

Deno.test("add() holds 256 ids at most", () => {
  const unknown = new UnknownStreams();
  for (let id = 1; id <= 256; id++) assert.equal(unknown.add(id), true);
  assert.equal(unknown.add(257), false);
  assert.equal(takeIds(unknown)?.length, 256);
  assert.equal(unknown.add(257), true);
});
