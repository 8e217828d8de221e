// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { runTerminal } from "../../../lib/agent/host/terminal.ts";
import { FakeClient } from "./_support/fake_client.ts";
import { until } from "../../../dev/base/wait.ts";

const ENV = { PATH: "/usr/bin:/bin" };
const run = (command: string[], client: FakeClient) =>
  runTerminal({ command, env: ENV, io: client.io });

Deno.test("runTerminal() starts with the client's size and returns the exit code", async () => {
  const client = new FakeClient({ sizes: [{ width: 101, height: 41 }] });
  const result = await run(["sh", "-c", "stty size; tty; exit 5"], client);
  assert.deepEqual(result, { code: 5 });
  assert.match(client.stdout, /^41 101\r\n\/dev\/pts\/\d+\r\n$/);
});

Deno.test("runTerminal() applies later sizes", async () => {
  const client = new FakeClient({
    input: ["\n"],
    sizes: [{ width: 80, height: 24 }, { width: 0, height: 0 }, {
      width: 70,
      height: 20,
    }],
  });
  // The input may arrive before the last size.
  const script =
    `read line; i=0; while [ "$(stty size)" != "20 70" ] && [ $i -lt 200 ]; do i=$((i+1)); sleep 0.05; done; stty size`;
  await run(["sh", "-c", script], client);
  assert.match(client.stdout, /20 70\r\n/);
});

Deno.test("runTerminal() sends the client's input and its end", async () => {
  const client = new FakeClient({ input: ["echo $((6*7))\n", "exit 3\n"] });
  assert.deepEqual(await run(["sh"], client), { code: 3 });
  assert.match(client.stdout, /42\r\n/);
  const finished = new FakeClient({ input: ["a\n"] });
  assert.deepEqual(await run(["cat"], finished), { code: 0 });
});

Deno.test("runTerminal() sends all output to a slow client", async () => {
  const client = new FakeClient({ isSlow: true });
  await run(["sh", "-c", "yes 1234567 | head -n 20000"], client);
  assert.equal(client.stdoutBytes.length, 20_000 * "1234567\r\n".length);
});

Deno.test("runTerminal() returns 128+n after signal n, and 127 when the command is missing", async () => {
  assert.equal(
    (await run(["sh", "-c", "kill -9 $$"], new FakeClient())).code,
    137,
  );
  const client = new FakeClient();
  assert.equal((await run(["absent-command"], client)).code, 127);
  assert.match(client.stdout, /command not found/);
});

Deno.test("runTerminal() sends SIGHUP when the client leaves", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const client = new FakeClient();
    const script =
      `trap 'echo > ${folder}/hup; exit' HUP; echo ready; for turn in $(seq 600); do sleep 0.05; done`;
    const running = run(["sh", "-c", script], client);
    await until(() => client.stdout.includes("ready"));
    client.disconnect();
    assert.equal((await running).reason, "ClientLeft");
    await until(() => Deno.stat(`${folder}/hup`).then(() => true, () => false));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
