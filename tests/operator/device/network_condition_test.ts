// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  isNetworkUnavailable,
  NETWORK_CONDITION,
  NetworkConditionLimit,
} from "../../../lib/operator/device/network_condition.ts";

Deno.test("NetworkConditionLimit doubles its delays up to 10 min, and starts again after 30 min", () => {
  const limit = new NetworkConditionLimit();
  assert.equal(limit.delayMs(0), 0);
  let nowMs = 0;
  const delays: number[] = [];
  for (let count = 0; count < 8; count++) {
    limit.recordCleared(nowMs);
    delays.push(limit.delayMs(nowMs));
    nowMs += limit.delayMs(nowMs);
    assert.equal(limit.delayMs(nowMs - 1), 1);
    assert.equal(limit.delayMs(nowMs), 0);
  }
  assert.deepEqual(delays, [
    10_000,
    20_000,
    40_000,
    80_000,
    160_000,
    320_000,
    600_000,
    600_000,
  ]);
  nowMs += 1_800_001;
  limit.recordCleared(nowMs);
  assert.equal(limit.delayMs(nowMs), 10_000);
});

Deno.test("isNetworkUnavailable() is true unless the status is False or absent", () => {
  const nodeOf = (status: "True" | "False" | "Unknown") => ({
    metadata: { name: "edge-1" },
    status: { conditions: [{ ...NETWORK_CONDITION, status }] },
  });
  assert.equal(isNetworkUnavailable(nodeOf("True")), true);
  assert.equal(isNetworkUnavailable(nodeOf("False")), false);
  assert.equal(isNetworkUnavailable(nodeOf("Unknown")), true);
  assert.equal(isNetworkUnavailable({ metadata: { name: "edge-1" } }), false);
});
