// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  decodeMessage,
  Method,
  StatsSchema,
} from "../../../lib/shared/wire/mod.ts";
import { OperatorEnd } from "../_support/operator_end.ts";
import { KEY, RunningAgent } from "../_support/running_agent.ts";

Deno.test("createHandlers() gives the device's figures", async () => {
  await using operator = await OperatorEnd.start({ key: KEY });
  await using _agent = new RunningAgent(operator.endpoint);
  await operator.connected();
  const stats = decodeMessage(
    StatsSchema,
    await operator.request(Method.GET_STATS),
  );
  assert.equal(stats.timeUnixMs, 7n);
});

Deno.test("createHandlers() refuses a method of a later version, and goes on", async () => {
  await using operator = await OperatorEnd.start({ key: KEY });
  await using _agent = new RunningAgent(operator.endpoint);
  await operator.connected();
  await assert.rejects(operator.request(Method.REPORT_FACTS), {
    code: "unsupported",
  });
  await assert.rejects(operator.request(99 as Method), {
    code: "unsupported",
    message: /Cannot serve method 99: this agent does not know it/,
  });
  await operator.request(Method.GET_STATS);
});

Deno.test("createHandlers() refuses garbage, and goes on", async () => {
  await using operator = await OperatorEnd.start({ key: KEY });
  await using _agent = new RunningAgent(operator.endpoint);
  await operator.connected();
  await assert.rejects(
    operator.request(Method.APPLY_POD, new Uint8Array([255, 255, 255])),
    { code: "invalid" },
  );
  await operator.request(Method.GET_STATS);
});
