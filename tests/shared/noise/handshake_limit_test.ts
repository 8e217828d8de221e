// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createHandshakeGate } from "../../../lib/shared/noise/mod.ts";

Deno.test("createHandshakeGate() gives places up to its bound and takes them back once", () => {
  const gate = createHandshakeGate({ maxCount: 2 });
  const leave = gate.enter(() => {});
  assert.ok(leave);
  assert.ok(gate.enter(() => {}));
  assert.equal(gate.enter(() => {}), undefined);
  leave();
  leave();
  assert.equal(gate.count, 1);
  assert.ok(gate.enter(() => {}));
});

Deno.test("createHandshakeGate() takes the oldest place away when its time is over", () => {
  const gate = createHandshakeGate({ maxCount: 2, protectedMs: 0 });
  const evicted: string[] = [];
  gate.enter(() => void evicted.push("first"));
  gate.enter(() => void evicted.push("second"));
  assert.ok(gate.enter(() => void evicted.push("third")));
  assert.deepEqual(evicted, ["first"]);
  assert.equal(gate.count, 2);
});
