// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  ConfigureSchema,
  encodeMessage,
  Method,
} from "../../../lib/shared/wire/mod.ts";
import { OperatorEnd } from "../_support/operator_end.ts";
import { KEY, RunningAgent } from "../_support/running_agent.ts";

async function listSettings(agent: RunningAgent): Promise<string[]> {
  const entries = await Array.fromAsync(
    Deno.readDir(`${agent.config.stateDir}/settings`),
  );
  return entries.map(({ name }) => name);
}

Deno.test("configure() answers once the settings are on the disk", async () => {
  await using operator = await OperatorEnd.start({ key: KEY });
  await using agent = new RunningAgent(operator.endpoint);
  await operator.connected();
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

Deno.test("configure() refuses bytes that are not a Configure message", async () => {
  await using operator = await OperatorEnd.start({ key: KEY });
  await using _agent = new RunningAgent(operator.endpoint);
  await operator.connected();
  await assert.rejects(
    operator.request(Method.CONFIGURE, Uint8Array.of(0xff, 0xff)),
    { code: "invalid" },
  );
});
