// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  signalProcessGroup,
  toExitCode,
} from "../../../lib/agent/host/exit.ts";

Deno.test("toExitCode() returns 128+n for signal n, and 128 for an unknown name", () => {
  assert.equal(toExitCode("SIGHUP"), 129);
  assert.equal(toExitCode("SIGKILL"), 137);
  assert.equal(toExitCode("SIGTERM"), 143);
  assert.equal(toExitCode("SIGNONE"), 128);
});

Deno.test("signalProcessGroup() does nothing when the group has exited", async () => {
  const child = new Deno.Command("true").spawn();
  await child.status;
  assert.throws(
    () => Deno.kill(-child.pid, "SIGHUP"),
    Deno.errors.NotFound,
  );
  signalProcessGroup(child.pid, "SIGHUP");
});

Deno.test("signalProcessGroup() signals every process of the group", async () => {
  const shell = spawn("sh", ["-c", "sleep 100 & wait"], {
    detached: true,
    stdio: "ignore",
  });
  const exited = new Promise((resolve) => {
    shell.once("exit", (_code, signalName) => resolve(signalName));
  });
  assert.ok(shell.pid);
  signalProcessGroup(shell.pid, "SIGKILL");
  assert.equal(await exited, "SIGKILL");
});
