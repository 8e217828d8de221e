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
    async says(word: string): Promise<void> {
      while (!text.includes(word)) {
        const { value, done } = await reader.read();
        assert.ok(!done, `the process ended before it said "${word}"`);
        text += value;
      }
    },
    async kill(): Promise<void> {
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
    },
  };
}

Deno.test("lockStateDir() lets a second process take over within 5 s of the first one's death", async () => {
  const dir = await Deno.makeTempDir();
  const first = start(dir);
  await first.says("holds");
  const second = start(dir);
  await second.says("waits");
  const killedMs = performance.now();
  await first.kill();
  await second.says("holds");
  assert.ok(performance.now() - killedMs < 5_000);
  await second.kill();
  await Deno.remove(dir, { recursive: true });
});

Deno.test("lockStateDir() can be given up while it waits", async () => {
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

Deno.test("lockStateDir() says why a directory can't be used", async () => {
  const file = await Deno.makeTempFile();
  await assert.rejects(
    lockStateDir(`${file}/state`, { signal: new AbortController().signal }),
    /Cannot use state directory ".*\/state": a part of the path is not a folder/,
  );
  await Deno.remove(file);
});
