// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { concatBytes, fromUtf8, utf8 } from "../../../lib/shared/base/mod.ts";
import type { Stream } from "../../../lib/shared/session/mod.ts";
import {
  AttachSchema,
  decodeMessage,
  encodeMessage,
  ExecSchema,
  ExitStatusSchema,
  Method,
  ResizeSchema,
} from "../../../lib/shared/wire/mod.ts";
import { TestOperator } from "../_support/test_operator.ts";
import { until } from "../../../dev/base/wait.ts";
import { AgentFixture, KEY } from "../_support/agent_fixture.ts";

async function readAll(stream: Stream, channel: number): Promise<string> {
  return fromUtf8(concatBytes(await Array.fromAsync(stream.read(channel))));
}

Deno.test("serveExec() connects all channels to the command and returns its exit code", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using agent = new AgentFixture(operator.endpoint);
  agent.engine.exec = async (request, io) => {
    assert.deepEqual(request.target, { kind: "host" });
    assert.deepEqual(request.command, ["cat"]);
    const typed = fromUtf8(concatBytes(await Array.fromAsync(io.stdin)));
    await io.stdout(utf8(typed.toUpperCase()));
    await io.stderr(utf8("oh"));
    return { code: 7 };
  };
  await operator.waitForLink();
  const stream = operator.session.open(
    Method.EXEC,
    encodeMessage(ExecSchema, {
      command: ["cat"],
      stdin: true,
      stdout: true,
      stderr: true,
    }),
  );
  await stream.write(0, utf8("typed"));
  await stream.end(0);
  const [out, err] = await Promise.all([
    readAll(stream, 1),
    readAll(stream, 2),
  ]);
  assert.equal(out, "TYPED");
  assert.equal(err, "oh");
  assert.equal(decodeMessage(ExitStatusSchema, await stream.result).code, 7);
});

Deno.test("serveExec() passes on sizes, first the one in the request", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using agent = new AgentFixture(operator.endpoint);
  agent.engine.exec = async (_request, { resizes }) => {
    const widths: number[] = [];
    for await (const { width } of resizes) {
      widths.push(width);
      if (widths.length === 2) break;
    }
    return { code: widths[0] === 80 && widths[1] === 100 ? 0 : 1 };
  };
  await operator.waitForLink();
  const stream = operator.session.open(
    Method.EXEC,
    encodeMessage(ExecSchema, { tty: true, size: { width: 80, height: 24 } }),
  );
  await stream.write(
    4,
    encodeMessage(ResizeSchema, { width: 100, height: 24 }),
  );
  assert.equal(decodeMessage(ExitStatusSchema, await stream.result).code, 0);
});

Deno.test("serveExec() aborts the signal of the command when the client has left", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using agent = new AgentFixture(operator.endpoint);
  let [started, aborted] = [false, false];
  agent.engine.exec = (_request, { signal }) => {
    started = true;
    return new Promise((resolve) =>
      signal.addEventListener("abort", () => {
        aborted = true;
        resolve({ code: 129 });
      })
    );
  };
  await operator.waitForLink();
  const client = new AbortController();
  operator.session.open(
    Method.EXEC,
    encodeMessage(ExecSchema, { command: ["sleep"] }),
    { signal: client.signal },
  );
  await until(() => started, "a started command");
  client.abort();
  await until(() => aborted, "an aborted signal");
});

Deno.test("serveAttach() fails for the host when its owner has turned it off", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using _agent = new AgentFixture(operator.endpoint, {
    host: { exec: true, attach: false, logs: true, portForward: true },
  });
  await operator.waitForLink();
  const stream = operator.session.open(
    Method.ATTACH,
    encodeMessage(AttachSchema, { stdin: true }),
  );
  await assert.rejects(stream.result, {
    code: "forbidden",
    message: /host.attach: false in agent.yaml/,
  });
});
