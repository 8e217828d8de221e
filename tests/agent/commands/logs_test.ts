// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { RuntimeLogsRequest } from "../../../lib/agent/runtime/mod.ts";
import { utf8 } from "../../../lib/shared/base/mod.ts";
import {
  encodeMessage,
  LogsSchema,
  Method,
} from "../../../lib/shared/wire/mod.ts";
import { OperatorEnd } from "../_support/operator_end.ts";
import { KEY, RunningAgent } from "../_support/running_agent.ts";

Deno.test("serveLogs() turns the options into the device's own, and sends the log", async () => {
  await using operator = await OperatorEnd.start({ key: KEY });
  await using agent = new RunningAgent(operator.endpoint);
  let asked: RuntimeLogsRequest | undefined;
  agent.engine.logs = async function* (request) {
    asked = request;
    yield utf8("line 1\n");
    yield utf8("line 2\n");
  };
  await operator.connected();
  const stream = operator.session.open(
    Method.LOGS,
    encodeMessage(LogsSchema, {
      tailLines: 5n,
      limitBytes: 100n,
      sinceSeconds: 60n,
      timestamps: true,
    }),
  );
  const chunks = await Array.fromAsync(stream.read(1));
  assert.equal(chunks.map((chunk) => chunk.length).join("+"), "7+7");
  await stream.result;
  assert.equal(asked?.tailLines, 5);
  assert.equal(asked?.limitBytes, 100);
  assert.equal(asked?.timestamps, true);
  const agoMs = Date.now() - Date.parse(asked?.sinceTime ?? "");
  assert.ok(agoMs >= 60_000 && agoMs < 65_000, String(agoMs));
});
