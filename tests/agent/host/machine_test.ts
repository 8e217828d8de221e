// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createHostMachine } from "../../../lib/agent/host/mod.ts";
import { play } from "./_support/play.ts";

const machine = () => createHostMachine({ env: { WORD: "given" } });

Deno.test("HostMachine.exec() runs with its environment, from /", async () => {
  for (const tty of [false, true]) {
    const played = play();
    const command = ["sh", "-c", "pwd; echo $WORD $TERM"];
    await machine().exec({ command, stdin: false, tty }, played.io);
    assert.equal(
      played.stdout().replaceAll("\r", ""),
      `/\ngiven${tty ? " xterm" : ""}\n`,
    );
  }
});

Deno.test("HostMachine.run() finds programs without a PATH given", async () => {
  const { output } = await machine().run("sh", { args: ["-c", "echo hi"] });
  assert.equal(output, "hi\n");
});

Deno.test("HostMachine.connectPort() says that nothing listens on loopback", async () => {
  const { io } = play();
  await assert.rejects(
    machine().connectPort({ port: 1 }, {
      input: io.stdin,
      output: io.stdout,
      endOutput: () => Promise.resolve(),
      signal: io.signal,
    }),
    {
      message:
        "Cannot forward to port 1 of the device: nothing listens on port 1",
    },
  );
});

Deno.test("HostMachine.hasAddress() knows this machine's addresses", () => {
  assert.equal(machine().hasAddress("127.0.0.1"), true);
  assert.equal(machine().hasAddress("203.0.113.1"), false);
});
