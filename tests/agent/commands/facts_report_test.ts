// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { FactsReport } from "../../../lib/agent/commands/facts_report.ts";
import { type Clock, SYSTEM_CLOCK } from "../../../lib/shared/base/mod.ts";
import {
  create,
  decodeMessage,
  FactsSchema,
  StatsSchema,
} from "../../../lib/shared/wire/mod.ts";
import { RecordedLog } from "../_support/recorded_log.ts";

/** Starts a report whose delays take 2 ms. */
function start() {
  const stop = new AbortController();
  const sent: string[] = [];
  const { lines, logger } = new RecordedLog();
  const facts = create(FactsSchema, { hostname: "one" });
  let reads = 0;
  const clock: Clock = {
    ...SYSTEM_CLOCK,
    sleep: (_delayMs, options) => SYSTEM_CLOCK.sleep(2, options),
  };
  const report = new FactsReport({
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
    log: logger,
  });
  const running = report.run(stop.signal);
  return {
    facts,
    lines,
    report,
    sent,
    /** Resolves after so many more readings. */
    async waitForReads(count: number) {
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

Deno.test("FactsReport.run() sends nothing before the first link, and later only changes", async () => {
  await using device = start();
  await device.waitForReads(3);
  assert.deepEqual(device.sent, []);
  device.report.onConnected();
  await device.waitForReads(4);
  assert.deepEqual(device.sent, ["one"]);
  device.facts.hostname = "two";
  await device.waitForReads(4);
  assert.deepEqual(device.sent, ["one", "two"]);
  device.report.onConnected();
  await device.waitForReads(4);
  assert.deepEqual(device.sent, ["one", "two", "two"]);
});

Deno.test("FactsReport.run() logs when the engine becomes unavailable and available again", async () => {
  await using device = start();
  const condition = (status: boolean) =>
    create(FactsSchema, {
      conditions: [{ type: "RuntimeReady", status, message: "no socket" }],
    }).conditions;
  device.facts.conditions = condition(false);
  await device.waitForReads(3);
  device.facts.conditions = condition(true);
  await device.waitForReads(3);
  assert.deepEqual(device.lines, [
    "container engine is unavailable",
    "container engine is available again",
  ]);
});
