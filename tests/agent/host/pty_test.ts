// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { holdTerminalOpen, loadPty } from "../../../lib/agent/host/pty.ts";

/** Runs a script on a terminal that is held open, and returns its exit code and signal. */
async function runHeld(script: string) {
  const pty = await loadPty();
  const terminal = pty.spawn("sh", ["-c", script], { encoding: null });
  using _hold = holdTerminalOpen(terminal);
  const { promise, resolve } = Promise.withResolvers<
    { exitCode: number; signal?: number }
  >();
  terminal.onExit(resolve);
  const { exitCode, signal = 0 } = await promise;
  return { exitCode, signal };
}

Deno.test("holdTerminalOpen() preserves the exit code of a program that closes its terminal first", async () => {
  assert.deepEqual(await runHeld("exec <&- >&- 2>&-; sleep 0.3; exit 5"), {
    exitCode: 5,
    signal: 0,
  });
});

Deno.test("holdTerminalOpen() may be disposed twice, before and after the exit", async () => {
  const pty = await loadPty();
  const terminal = pty.spawn("true", [], { encoding: null });
  const { promise, resolve } = Promise.withResolvers<unknown>();
  terminal.onExit(resolve);
  const hold = holdTerminalOpen(terminal);
  hold[Symbol.dispose]();
  await promise;
  hold[Symbol.dispose]();
});
