// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  ConfigureSchema,
  encodeMessage,
  Method,
} from "../../../lib/shared/wire/mod.ts";
import { TestOperator } from "../_support/test_operator.ts";
import { AgentFixture, KEY } from "../_support/agent_fixture.ts";

async function listSettings(agent: AgentFixture): Promise<string[]> {
  const entries = await Array.fromAsync(
    Deno.readDir(`${agent.config.stateDir}/settings`),
  );
  return entries.map(({ name }) => name);
}

Deno.test("configure() returns once the settings are persisted", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using agent = new AgentFixture(operator.endpoint);
  await operator.waitForLink();
  const before = await listSettings(agent);
  await operator.request(
    Method.CONFIGURE,
    encodeMessage(ConfigureSchema, { podCidr: "10.9.0.0/26" }),
  );
  const added = (await listSettings(agent)).filter((name) =>
    !before.includes(name)
  );
  assert.equal(added.length, 1);
});

Deno.test("configure() fails for bytes that are not a Configure message", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using _agent = new AgentFixture(operator.endpoint);
  await operator.waitForLink();
  await assert.rejects(
    operator.request(Method.CONFIGURE, Uint8Array.of(0xff, 0xff)),
    { code: "invalid" },
  );
});
