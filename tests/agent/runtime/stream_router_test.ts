// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { EMPTY_STREAM } from "../../../lib/shared/base/mod.ts";
import type { ConnectionIo } from "../../../lib/shared/exec/mod.ts";
import {
  type RuntimeTarget,
  StreamRouter,
  type StreamRuntime,
} from "../../../lib/agent/runtime/mod.ts";
import { FakeClient } from "../host/_support/fake_client.ts";

/** A runtime whose results identify it: 1 for containers, 2 for the host. */
function named(name: string, calls: string[]): StreamRuntime {
  const code = name === "container" ? 1 : 2;
  return {
    exec: () => Promise.resolve({ code }),
    attach: () => Promise.resolve({ code }),
    logs: async function* () {
      await Promise.resolve();
      yield Uint8Array.of(code);
    },
    connectPort: () => Promise.resolve(void calls.push(name)),
  };
}

const TARGETS: [RuntimeTarget, number][] = [
  [{ kind: "container", containerId: "c", podUid: "p" }, 1],
  [{ kind: "host" }, 2],
];

for (const [target, code] of TARGETS) {
  Deno.test(`StreamRouter passes every call for target ${target.kind} to its runtime`, async () => {
    const calls: string[] = [];
    const router = new StreamRouter({
      containers: named("container", calls),
      host: named("host", calls),
    });
    const { io } = new FakeClient();
    const streams = { stdin: true, stdout: true, stderr: true, tty: false };
    const exec = { ...streams, target, command: ["x"] };
    assert.equal((await router.exec(exec, io)).code, code);
    const attach = { ...streams, target, stdinOnce: false };
    assert.equal((await router.attach(attach, io)).code, code);
    const options = { target, follow: false, timestamps: false };
    const { signal } = new AbortController();
    assert.deepEqual(await Array.fromAsync(router.logs(options, signal)), [
      Uint8Array.of(code),
    ]);
    const connection: ConnectionIo = {
      input: EMPTY_STREAM,
      output: () => Promise.resolve(),
      endOutput: () => Promise.resolve(),
      signal,
    };
    await router.connectPort({ target, port: 1 }, connection);
    assert.deepEqual(calls, [target.kind]);
  });
}
