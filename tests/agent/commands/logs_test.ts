// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { RuntimeLogsRequest } from "../../../lib/agent/runtime/mod.ts";
import { utf8 } from "../../../lib/shared/base/mod.ts";
import {
  encodeMessage,
  LogsSchema,
  Method,
} from "../../../lib/shared/wire/mod.ts";
import { TestOperator } from "../_support/test_operator.ts";
import { AgentFixture, KEY } from "../_support/agent_fixture.ts";

Deno.test("serveLogs() translates the options and sends the log", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using agent = new AgentFixture(operator.endpoint);
  let received: RuntimeLogsRequest | undefined;
  agent.engine.logs = async function* (request) {
    received = request;
    yield utf8("line 1\n");
    yield utf8("line 2\n");
  };
  await operator.waitForLink();
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
  assert.equal(received?.tailLines, 5);
  assert.equal(received?.limitBytes, 100);
  assert.equal(received?.timestamps, true);
  const agoMs = Date.now() - Date.parse(received?.sinceTime ?? "");
  assert.ok(agoMs >= 60_000 && agoMs < 90_000, String(agoMs));
});
