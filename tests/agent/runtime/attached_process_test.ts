// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  concatBytes,
  fromUtf8,
  SYSTEM_CLOCK,
  utf8,
} from "../../../lib/shared/base/mod.ts";
import type { TerminalSize } from "../../../lib/shared/exec/mod.ts";
import type { DockerSocket } from "../../../lib/agent/docker/mod.ts";
import {
  AttachedProcess,
  type AttachedProcessOptions,
} from "../../../lib/agent/runtime/attached_process.ts";
import { FakeClient } from "../host/_support/fake_client.ts";
import { until } from "../../../dev/base/wait.ts";

/** A connection that yields these chunks and ends when the test ends it. */
class FakeSocket implements DockerSocket {
  readonly written: Uint8Array[] = [];
  inputEnded = false;
  closeCount = 0;
  readonly output: AsyncIterable<Uint8Array>;
  readonly #end = Promise.withResolvers<void>();

  constructor(chunks: Uint8Array[] = []) {
    const end = this.#end.promise;
    this.output = (async function* () {
      yield* chunks;
      await end;
    })();
  }

  endOutput(): void {
    this.#end.resolve();
  }

  failOutput(error: Error): void {
    this.#end.reject(error);
  }

  write(chunk: Uint8Array): Promise<void> {
    this.written.push(chunk);
    return Promise.resolve();
  }

  endInput(): Promise<void> {
    this.inputEnded = true;
    return Promise.resolve();
  }

  close(): void {
    this.closeCount++;
  }
}

function attach(
  socket: FakeSocket,
  { client = new FakeClient(), ...options }:
    & Partial<AttachedProcessOptions>
    & { client?: FakeClient } = {},
): Promise<string> {
  return new AttachedProcess({
    socket,
    tty: false,
    io: client.io,
    resize: () => Promise.resolve(),
    halfClose: true,
    clock: SYSTEM_CLOCK,
    ...options,
  }).run();
}

const frame = (type: number, text: string) =>
  concatBytes([Uint8Array.of(type, 0, 0, 0, 0, 0, 0, text.length), utf8(text)]);

Deno.test("AttachedProcess.run() separates multiplexed outputs and closes the socket at their end", async () => {
  const client = new FakeClient();
  const socket = new FakeSocket([frame(1, "out"), frame(2, "err")]);
  socket.endOutput();
  assert.equal(await attach(socket, { client }), "output-ended");
  assert.equal(client.stdout, "out");
  assert.equal(client.stderr, "err");
  assert.equal(socket.closeCount, 1);
});

Deno.test("AttachedProcess.run() passes the output of a terminal on unchanged", async () => {
  const client = new FakeClient();
  const socket = new FakeSocket([utf8("raw")]);
  socket.endOutput();
  await attach(socket, { client, tty: true });
  assert.equal(client.stdout, "raw");
});

for (const halfClose of [true, false]) {
  Deno.test(`AttachedProcess.run() ${halfClose ? "ends" : "doesn't end"} the process's stdin at the client's EOF when halfClose is ${halfClose}`, async () => {
    const client = new FakeClient({ input: ["a", "b"] });
    const socket = new FakeSocket();
    const running = attach(socket, { client, halfClose });
    await until(() => socket.written.length === 2);
    assert.equal(fromUtf8(concatBytes(socket.written)), "ab");
    if (halfClose) await until(() => socket.inputEnded);
    socket.endOutput();
    await running;
    assert.equal(socket.inputEnded, halfClose);
  });
}

Deno.test("AttachedProcess.run() returns when the client takes no more output", async () => {
  const socket = new FakeSocket([frame(1, "out")]);
  const { io } = new FakeClient();
  const result = attach(socket, {
    io: { ...io, stdout: () => Promise.reject(new Error("closed")) },
  });
  assert.equal(await result, "client-left");
  assert.equal(socket.closeCount, 1);
});

Deno.test("AttachedProcess.run() returns when the connection fails after the client left, and throws before", async () => {
  const client = new FakeClient();
  const left = new FakeSocket();
  const running = attach(left, { client });
  client.disconnect();
  left.failOutput(new Error("aborted"));
  assert.equal(await running, "client-left");
  const broken = new FakeSocket();
  const failing = attach(broken);
  broken.failOutput(new Error("broken"));
  await assert.rejects(failing, /broken/);
});

Deno.test("AttachedProcess.run() repeats a resize that fails, and skips sizes that are outdated", async () => {
  const sizes = [80, 90, 0, 100].map((width) => ({ width, height: 24 }));
  const socket = new FakeSocket();
  const applied: number[] = [];
  let failures = 2;
  const running = attach(socket, {
    client: new FakeClient({ sizes }),
    tty: true,
    resize({ width }: TerminalSize) {
      if (failures-- > 0) return Promise.reject(new Error("not started"));
      applied.push(width);
      return Promise.resolve();
    },
  });
  await until(() => applied.length > 0);
  socket.endOutput();
  await running;
  assert.deepEqual(applied, [100]);
});
