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
import { OperatorEnd } from "../_support/operator_end.ts";
import { KEY, RunningAgent } from "../_support/running_agent.ts";

async function readAll(stream: Stream, channel: number): Promise<string> {
  return fromUtf8(concatBytes(await Array.fromAsync(stream.read(channel))));
}

Deno.test("serveExec() joins all channels to the command and gives its exit code", async () => {
  await using operator = await OperatorEnd.start({ key: KEY });
  await using agent = new RunningAgent(operator.endpoint);
  agent.engine.exec = async (request, io) => {
    assert.deepEqual(request.target, { kind: "host" });
    assert.deepEqual(request.command, ["cat"]);
    const typed = fromUtf8(concatBytes(await Array.fromAsync(io.stdin)));
    await io.stdout(utf8(typed.toUpperCase()));
    await io.stderr(utf8("oh"));
    return { code: 7 };
  };
  await operator.connected();
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

Deno.test("serveExec() hands sizes over, the first one with the start", async () => {
  await using operator = await OperatorEnd.start({ key: KEY });
  await using agent = new RunningAgent(operator.endpoint);
  agent.engine.exec = async (_request, { resizes }) => {
    const widths: number[] = [];
    for await (const { width } of resizes) {
      widths.push(width);
      if (widths.length === 2) break;
    }
    return { code: widths[0] === 80 && widths[1] === 100 ? 0 : 1 };
  };
  await operator.connected();
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

Deno.test("serveExec() tells the command when the client has left", async () => {
  await using operator = await OperatorEnd.start({ key: KEY });
  await using agent = new RunningAgent(operator.endpoint);
  let [begun, left] = [false, false];
  agent.engine.exec = (_request, { signal }) => {
    begun = true;
    return new Promise((resolve) =>
      signal.addEventListener("abort", () => {
        left = true;
        resolve({ code: 129 });
      })
    );
  };
  await operator.connected();
  const client = new AbortController();
  operator.session.open(
    Method.EXEC,
    encodeMessage(ExecSchema, { command: ["sleep"] }),
    { signal: client.signal },
  );
  await operator.until("begun", () => begun);
  client.abort();
  await operator.until("left", () => left);
});

Deno.test("serveAttach() refuses the host when its owner has turned it off", async () => {
  await using operator = await OperatorEnd.start({ key: KEY });
  await using _agent = new RunningAgent(operator.endpoint, {
    host: { exec: true, attach: false, logs: true, portForward: true },
  });
  await operator.connected();
  const stream = operator.session.open(
    Method.ATTACH,
    encodeMessage(AttachSchema, { stdin: true }),
  );
  await assert.rejects(stream.result, {
    code: "forbidden",
    message: /host.attach: false in agent.yaml/,
  });
});
