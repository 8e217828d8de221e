// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createFactsReport } from "../../../lib/agent/commands/facts.ts";
import { type Clock, SYSTEM_CLOCK } from "../../../lib/shared/base/mod.ts";
import {
  create,
  decodeMessage,
  FactsSchema,
  StatsSchema,
} from "../../../lib/shared/wire/mod.ts";
import { createBook } from "../_support/running_agent.ts";

function start() {
  const stop = new AbortController();
  const sent: string[] = [];
  const { lines, log } = createBook();
  const facts = create(FactsSchema, { hostname: "one" });
  let reads = 0;
  // Half a minute passes in a moment.
  const clock: Clock = {
    ...SYSTEM_CLOCK,
    sleep: (_delayMs, options) => SYSTEM_CLOCK.sleep(2, options),
  };
  const report = createFactsReport({
    reader: {
      readFacts() {
        reads++;
        return Promise.resolve(facts);
      },
      readStats: () => Promise.resolve(create(StatsSchema)),
    },
    session: {
      request(_method, payload) {
        sent.push(decodeMessage(FactsSchema, payload).hostname);
        return Promise.resolve(new Uint8Array());
      },
    },
    agentVersion: "1",
    host: { exec: true, attach: true, logs: true, portForward: true },
    clock,
    log,
  });
  const running = report.run(stop.signal);
  return {
    facts,
    lines,
    report,
    sent,
    async reads(count: number) {
      const goal = reads + count;
      const deadline = performance.now() + 5_000;
      while (reads < goal && performance.now() < deadline) {
        await SYSTEM_CLOCK.sleep(1);
      }
      assert.ok(reads >= goal);
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}

Deno.test("createFactsReport() tells nothing before the first link, and then only changes", async () => {
  await using device = start();
  await device.reads(3);
  assert.deepEqual(device.sent, []);
  device.report.connected();
  await device.reads(4);
  assert.deepEqual(device.sent, ["one"]);
  device.facts.hostname = "two";
  await device.reads(4);
  assert.deepEqual(device.sent, ["one", "two"]);
  device.report.connected();
  await device.reads(4);
  assert.deepEqual(device.sent, ["one", "two", "two"]);
});

Deno.test("createFactsReport() logs when the engine goes and comes back", async () => {
  await using device = start();
  const condition = (status: boolean) =>
    create(FactsSchema, {
      conditions: [{ type: "RuntimeReady", status, message: "no socket" }],
    }).conditions;
  device.facts.conditions = condition(false);
  await device.reads(3);
  device.facts.conditions = condition(true);
  await device.reads(3);
  assert.deepEqual(device.lines, [
    "container engine can't be reached",
    "container engine is back",
  ]);
});
