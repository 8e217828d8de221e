// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  decodeMessage,
  Method,
  StatsSchema,
} from "../../../lib/shared/wire/mod.ts";
import { TestOperator } from "../_support/test_operator.ts";
import { AgentFixture, KEY } from "../_support/agent_fixture.ts";

Deno.test("CommandHandlers.request() returns the device's statistics", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using _agent = new AgentFixture(operator.endpoint);
  await operator.waitForLink();
  const stats = decodeMessage(
    StatsSchema,
    await operator.request(Method.GET_STATS),
  );
  assert.equal(stats.timeUnixMs, 7n);
});

Deno.test("CommandHandlers.request() fails for a method of a later version, and serves the next one", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using _agent = new AgentFixture(operator.endpoint);
  await operator.waitForLink();
  await assert.rejects(operator.request(Method.REPORT_FACTS), {
    code: "unsupported",
  });
  await assert.rejects(operator.request(99 as Method), {
    code: "unsupported",
    message:
      /Cannot serve method 99: it is unknown to this version of the agent/,
  });
  await operator.request(Method.GET_STATS);
});

Deno.test("CommandHandlers.request() fails for malformed bytes, and serves the next request", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using _agent = new AgentFixture(operator.endpoint);
  await operator.waitForLink();
  await assert.rejects(
    operator.request(Method.APPLY_POD, new Uint8Array([255, 255, 255])),
    { code: "invalid" },
  );
  await operator.request(Method.GET_STATS);
});
