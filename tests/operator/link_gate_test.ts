// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { Device } from "../../lib/operator/device/mod.ts";
import { LinkGate } from "../../lib/operator/link_gate.ts";

const PEER = "10.0.0.9:51234";
const DEVICE = { name: "edge-1" } as Device;

function createGate() {
  return new LinkGate({
    findEndpoint: (identity, peer) =>
      identity === "b" && peer === PEER ? "10.0.0.2:9443" : undefined,
  });
}

Deno.test("find() names the leader's endpoint while another operator leads", () => {
  const gate = createGate();
  const refused = (endpoint: string | undefined) => ({
    name: "AranyaError",
    code: "unavailable",
    reason: "this operator does not lead",
    endpoint,
  });
  assert.throws(() => gate.find("edge-1", PEER), refused(undefined));
  gate.setLeader("unknown");
  assert.throws(() => gate.find("edge-1", PEER), refused(undefined));
  gate.setLeader("b");
  assert.throws(() => gate.find("edge-1", PEER), refused("10.0.0.2:9443"));
});

Deno.test("find() returns devices while this operator leads and is not suspended", () => {
  const gate = createGate();
  const leadership = { isSuspended: false };
  const devices = {
    find: (name: string) => name === "edge-1" ? DEVICE : undefined,
  };
  {
    using _open = gate.open({ devices, leadership });
    assert.equal(gate.find("edge-1", PEER), DEVICE);
    assert.equal(gate.find("edge-2", PEER), undefined);
    leadership.isSuspended = true;
    assert.throws(() => gate.find("edge-1", PEER), {
      reason: "this operator can't reach the API server",
    });
    leadership.isSuspended = false;
    assert.equal(gate.find("edge-1", PEER), DEVICE);
  }
  assert.throws(() => gate.find("edge-1", PEER), {
    reason: "this operator does not lead",
  });
});
