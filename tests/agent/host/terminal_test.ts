// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { runTerminal } from "../../../lib/agent/host/terminal.ts";
import { play, type Played, until } from "./_support/play.ts";

const ENV = { PATH: "/usr/bin:/bin" };
const run = (command: string[], played: Played) =>
  runTerminal({ command, env: ENV, io: played.io });

Deno.test("runTerminal() begins with the client's size and gives the exit code", async () => {
  const played = play({ sizes: [{ width: 101, height: 41 }] });
  const result = await run(["sh", "-c", "stty size; tty; exit 5"], played);
  assert.deepEqual(result, { code: 5 });
  assert.match(played.stdout(), /^41 101\r\n\/dev\/pts\/\d+\r\n$/);
});

Deno.test("runTerminal() applies later sizes", async () => {
  const played = play({
    input: ["\n"],
    sizes: [{ width: 80, height: 24 }, { width: 0, height: 0 }, {
      width: 70,
      height: 20,
    }],
  });
  // What is typed may come before the last size.
  const script =
    `read line; i=0; while [ "$(stty size)" != "20 70" ] && [ $i -lt 200 ]; do i=$((i+1)); sleep 0.05; done; stty size`;
  await run(["sh", "-c", script], played);
  assert.match(played.stdout(), /20 70\r\n/);
});

Deno.test("runTerminal() sends what is typed, and the end of it", async () => {
  const played = play({ input: ["echo $((6*7))\n", "exit 3\n"] });
  assert.deepEqual(await run(["sh"], played), { code: 3 });
  assert.match(played.stdout(), /42\r\n/);
  const ended = play({ input: ["a\n"] });
  assert.deepEqual(await run(["cat"], ended), { code: 0 });
});

Deno.test("runTerminal() delivers all output to a slow reader", async () => {
  const played = play({ slow: true });
  await run(["sh", "-c", "yes 1234567 | head -n 20000"], played);
  assert.equal(played.bytes().length, 20_000 * "1234567\r\n".length);
});

Deno.test("runTerminal() gives 128+n after signal n and 127 for no command", async () => {
  assert.equal((await run(["sh", "-c", "kill -9 $$"], play())).code, 137);
  const played = play();
  assert.equal((await run(["absent-command"], played)).code, 127);
  assert.match(played.stdout(), /command not found/);
});

Deno.test("runTerminal() hangs up when the client leaves", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const played = play();
    const script =
      `trap 'echo > ${folder}/hup; exit' HUP; echo ready; while :; do sleep 0.05; done`;
    const running = run(["sh", "-c", script], played);
    await until(() => played.stdout().includes("ready"));
    played.leave();
    assert.equal((await running).reason, "ClientLeft");
    await until(() => Deno.stat(`${folder}/hup`).then(() => true, () => false));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
