// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { runProgram } from "../../../lib/agent/host/program.ts";

const env = { PATH: "/usr/bin:/bin" };

Deno.test("runProgram() returns output and exit code", async () => {
  const result = await runProgram("sh", {
    args: ["-c", "echo hi; exit 3"],
    env,
  });
  assert.deepEqual(result, { code: 3, output: "hi\n" });
});

Deno.test("runProgram() kills a program at its timeout and with its signal", async () => {
  const args = ["100"];
  await assert.rejects(runProgram("sleep", { args, env, timeoutMs: 50 }), {
    code: "timed_out",
  });
  const signal = AbortSignal.abort(new Error("aborted"));
  await assert.rejects(runProgram("sleep", { args, env, signal }), /aborted/);
});

Deno.test("runProgram() fails when there is no such program", async () => {
  await assert.rejects(runProgram("absent-program", { args: [], env }), {
    code: "not_found",
    message: 'Cannot run "absent-program": no such program on the device',
  });
});
