// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fromBuffer, toBuffer } from "../../../lib/shared/link/grpc_service.ts";

Deno.test("toBuffer() and fromBuffer() share the packet's memory", () => {
  const whole = Uint8Array.of(1, 2, 3, 4);
  const packet = whole.subarray(1, 3);
  const buffer = toBuffer(packet);
  assert.deepEqual([...buffer], [2, 3]);
  const back = fromBuffer(buffer);
  assert.deepEqual([...back], [2, 3]);
  whole[1] = 9;
  assert.equal(back[0], 9);
});
