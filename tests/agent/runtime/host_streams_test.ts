// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fromUtf8 } from "../../../lib/shared/base/mod.ts";
import { LocalMachine } from "../../../lib/agent/host/mod.ts";
import { HostStreams } from "../../../lib/agent/runtime/mod.ts";
import { FakeClient } from "../host/_support/fake_client.ts";

const ALL = { stdin: true, stdout: true, stderr: true, tty: false };
const HOST = { kind: "host" } as const;
const machine = new LocalMachine();

Deno.test("HostStreams.attach() starts a shell, and logs() reads the log file", async () => {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, "one\ntwo\n");
    const host = new HostStreams({ machine, logFile: file });
    const client = new FakeClient({ input: ["echo $((6*7)); exit 3\n"] });
    const attached = await host.attach(
      { ...ALL, target: HOST, stdinOnce: false },
      client.io,
    );
    assert.equal(attached.code, 3);
    assert.equal(client.stdout, "42\n");
    const { signal } = new AbortController();
    const logs = host.logs({
      target: HOST,
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

Deno.test("HostStreams.attach() fails without stdin", async () => {
  const host = new HostStreams({ machine });
  await assert.rejects(
    host.attach(
      { ...ALL, stdin: false, target: HOST, stdinOnce: false },
      new FakeClient().io,
    ),
    {
      code: "invalid",
      message: /no stdin for the shell.*expected kubectl attach -i or -it/,
    },
  );
});
