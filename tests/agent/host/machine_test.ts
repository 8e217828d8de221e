// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { LocalMachine } from "../../../lib/agent/host/mod.ts";
import { FakeClient } from "./_support/fake_client.ts";

const machine = new LocalMachine({ env: { WORD: "given" } });

Deno.test("LocalMachine.exec() runs a command with its environment in /", async () => {
  for (const tty of [false, true]) {
    const client = new FakeClient();
    const command = ["sh", "-c", "pwd; echo $WORD $TERM"];
    await machine.exec({ command, stdin: false, tty }, client.io);
    assert.equal(
      client.stdout.replaceAll("\r", ""),
      `/\ngiven${tty ? " xterm" : ""}\n`,
    );
  }
});

Deno.test("LocalMachine.run() finds programs by its default PATH", async () => {
  const { output } = await machine.run("sh", { args: ["-c", "echo hi"] });
  assert.equal(output, "hi\n");
});

Deno.test("LocalMachine.connectPort() fails when nothing listens on loopback", async () => {
  const { io } = new FakeClient();
  await assert.rejects(
    machine.connectPort({ port: 1 }, {
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

Deno.test("LocalMachine.hasAddress() returns whether an interface has the address", () => {
  assert.equal(machine.hasAddress("127.0.0.1"), true);
  assert.equal(machine.hasAddress("203.0.113.1"), false);
});
