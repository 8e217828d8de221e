// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fromUtf8 } from "../../../lib/shared/base/mod.ts";
import { createHostMachine } from "../../../lib/agent/host/mod.ts";
import {
  createHostStreams,
  createStreams,
  type StreamRuntime,
} from "../../../lib/agent/runtime/mod.ts";
import { play } from "../host/_support/play.ts";

const ALL = { stdin: true, stdout: true, stderr: true, tty: false };
const machine = createHostMachine();

Deno.test("createHostStreams() runs commands, a shell for attach, and shows its log file", async () => {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, "one\ntwo\n");
    const host = createHostStreams({ machine, logFile: file });
    const played = play({ input: ["echo $((6*7)); exit 3\n"] });
    const attached = await host.attach(
      { ...ALL, target: undefined, stdinOnce: false },
      played.io,
    );
    assert.equal(attached.code, 3);
    assert.equal(played.stdout(), "42\n");
    const { signal } = new AbortController();
    const logs = host.logs({
      target: undefined,
      follow: false,
      timestamps: false,
      tailLines: 1,
    }, signal);
    const [line] = await Array.fromAsync(logs);
    assert.equal(fromUtf8(line ?? new Uint8Array()), "two\n");
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("createHostStreams() says why it can't attach without input", async () => {
  const host = createHostStreams({ machine });
  await assert.rejects(
    host.attach(
      { ...ALL, stdin: false, target: undefined, stdinOnce: false },
      play().io,
    ),
    { code: "invalid", message: /expected attach with stdin/ },
  );
});

Deno.test("createStreams() sends requests without a target to the host", async () => {
  const named = (code: number): StreamRuntime => ({
    exec: () => Promise.resolve({ code }),
    attach: () => Promise.resolve({ code }),
    logs: async function* () {
      await Promise.resolve();
      yield Uint8Array.of(code);
    },
    connectPort: () => Promise.resolve(),
  });
  const streams = createStreams({ containers: named(1), host: named(2) });
  const { io } = play();
  const target = { containerId: "c", podUid: "p" };
  const exec = { ...ALL, command: ["x"] };
  assert.equal((await streams.exec({ ...exec, target }, io)).code, 1);
  assert.equal(
    (await streams.exec({ ...exec, target: undefined }, io)).code,
    2,
  );
});
