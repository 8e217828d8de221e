// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { lockStateDir } from "../../../lib/agent/state/mod.ts";

const HOLDER = new URL("./_support/hold_lock.ts", import.meta.url).pathname;

function start(dir: string) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", HOLDER, dir],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  return {
    async waitForLine(line: string): Promise<void> {
      while (!text.includes(line)) {
        const { value, done } = await reader.read();
        assert.ok(!done, `the process ended before it wrote "${line}"`);
        text += value;
      }
    },
    async [Symbol.asyncDispose](): Promise<void> {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await child.status;
      await reader.cancel();
    },
  };
}

Deno.test("lockStateDir() lets a second process take over soon when the first one was killed", async () => {
  const dir = await Deno.makeTempDir();
  await using first = start(dir);
  await first.waitForLine("locked");
  await using second = start(dir);
  await second.waitForLine("waiting");
  const killedMs = performance.now();
  await first[Symbol.asyncDispose]();
  await second.waitForLine("locked");
  // It polls every 0.5 s; the rest is a busy machine.
  assert.ok(performance.now() - killedMs < 20_000);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("lockStateDir() rejects with the signal's reason when it is aborted while it waits", async () => {
  const dir = await Deno.makeTempDir();
  const held = await lockStateDir(dir, {
    signal: new AbortController().signal,
  });
  const controller = new AbortController();
  const waiting = lockStateDir(dir, {
    signal: controller.signal,
    onWait: () => controller.abort(new Error("stop")),
  });
  await assert.rejects(waiting, /stop/);
  held[Symbol.dispose]();
  const again = await lockStateDir(dir, {
    signal: new AbortController().signal,
  });
  again[Symbol.dispose]();
  await Deno.remove(dir, { recursive: true });
});

Deno.test("lockStateDir() throws when the directory can't be created", async () => {
  const file = await Deno.makeTempFile();
  await assert.rejects(
    lockStateDir(`${file}/state`, { signal: new AbortController().signal }),
    /Cannot use state directory ".*\/state": a part of the path is not a directory/,
  );
  await Deno.remove(file);
});
