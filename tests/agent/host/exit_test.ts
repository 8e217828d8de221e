// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { codeOfSignal, signalGroup } from "../../../lib/agent/host/exit.ts";

Deno.test("codeOfSignal() gives 128+n", () => {
  assert.equal(codeOfSignal("SIGHUP"), 129);
  assert.equal(codeOfSignal("SIGKILL"), 137);
  assert.equal(codeOfSignal("SIGTERM"), 143);
});

Deno.test("signalGroup() leaves alone what has ended", async () => {
  const child = new Deno.Command("true").spawn();
  await child.status;
  signalGroup(child.pid, "SIGHUP");
});
