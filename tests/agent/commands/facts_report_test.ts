// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { FactsReport } from "../../../lib/agent/commands/facts_report.ts";
import {
  AranyaError,
  type Clock,
  SYSTEM_CLOCK,
} from "../../../lib/shared/base/mod.ts";
import {
  create,
  decodeMessage,
  FactsSchema,
} from "../../../lib/shared/wire/mod.ts";
import { RecordedLog } from "../_support/recorded_log.ts";
import { until } from "../../../dev/base/wait.ts";

/** Runs a report of a device whose facts a test may change. */
class FactsFixture implements AsyncDisposable {
  readonly report: FactsReport;
  readonly log = new RecordedLog();
  readonly facts = create(FactsSchema, {
    hostname: "one",
    machineId: "m1",
    bootId: "b1",
    addresses: ["192.0.2.1"],
  });
  /** Hostnames in the requests. */
  readonly sent: string[] = [];
  /** Thrown by requests. */
  failure: AranyaError | undefined;
  /** Delays between readings. */
  readonly delaysMs: number[] = [];
  #readCount = 0;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  /** @param options `delayMs` replaces the delays between readings */
  constructor(
    { delayMs, connected = true }: { delayMs?: number; connected?: boolean } =
      {},
  ) {
    const clock: Clock = {
      ...SYSTEM_CLOCK,
      sleep: (wantedMs, options) => {
        this.delaysMs.push(wantedMs);
        return SYSTEM_CLOCK.sleep(delayMs ?? wantedMs, options);
      },
    };
    this.report = new FactsReport({
      reader: {
        readFacts: () => {
          this.#readCount++;
          return Promise.resolve(this.facts);
        },
      },
      session: {
        connected,
        request: (_method, payload) => {
          this.sent.push(decodeMessage(FactsSchema, payload).hostname);
          return this.failure
            ? Promise.reject(this.failure)
            : Promise.resolve(new Uint8Array());
        },
      },
      agentVersion: "1",
      host: { exec: true, attach: true, logs: true, portForward: true },
      pods: { privileged: true, hostPath: false, hostNamespaces: true },
      clock,
      log: this.log.logger,
    });
    this.#running = this.report.run(this.#stop.signal);
  }

  /** Resolves after so many more readings. */
  async waitForReads(count: number): Promise<void> {
    const goal = this.#readCount + count;
    await until(() => this.#readCount >= goal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

Deno.test("FactsReport.run() sends nothing before the first link, and later only changes", async () => {
  await using fixture = new FactsFixture({ delayMs: 2 });
  await fixture.waitForReads(3);
  assert.deepEqual(fixture.sent, []);
  fixture.report.onConnected();
  await fixture.waitForReads(4);
  assert.deepEqual(fixture.sent, ["one"]);
  fixture.facts.hostname = "two";
  await fixture.waitForReads(4);
  assert.deepEqual(fixture.sent, ["one", "two"]);
  fixture.report.onConnected();
  await fixture.waitForReads(4);
  assert.deepEqual(fixture.sent, ["one", "two", "two"]);
});

Deno.test("FactsReport.requestRead() and onConnected() end the delay of 30 s", async () => {
  await using fixture = new FactsFixture();
  const { report, delaysMs } = fixture;
  await until(() => delaysMs.length === 1);
  report.requestRead();
  await until(() => delaysMs.length === 2);
  report.onConnected();
  await until(() => delaysMs.length === 3);
  assert.deepEqual(delaysMs, [30_000, 30_000, 30_000]);
  assert.deepEqual(fixture.sent, ["one"]);
});

Deno.test("FactsReport.run() retries after 5 s and logs an error other than a missing link", async () => {
  await using fixture = new FactsFixture({ delayMs: 2 });
  fixture.failure = new AranyaError("unavailable", "Cannot send: no link");
  fixture.report.onConnected();
  await fixture.waitForReads(2);
  assert.deepEqual(fixture.log.lines, []);
  fixture.failure = new AranyaError("internal", "Cannot send: broken");
  await fixture.waitForReads(2);
  assert.equal(
    fixture.log.lines[0],
    "facts report failed, will retry: Cannot send: broken",
  );
  assert.ok(fixture.delaysMs.includes(5_000));
});

for (const code of ["too_large", "invalid"] as const) {
  Deno.test(`FactsReport.run() sends facts that were refused as ${code} again after a change or connect only, and logs one line`, async () => {
    await using fixture = new FactsFixture({ delayMs: 2 });
    fixture.failure = new AranyaError(code, "Cannot handle facts: no");
    fixture.report.onConnected();
    await fixture.waitForReads(5);
    assert.deepEqual(fixture.sent, ["one"]);
    fixture.facts.hostname = "two";
    await fixture.waitForReads(5);
    fixture.report.onConnected();
    await fixture.waitForReads(5);
    assert.deepEqual(fixture.sent, ["one", "two", "two"]);
    assert.deepEqual(fixture.log.lines, [
      "operator refused facts, they are sent again when they change: Cannot handle facts: no",
    ]);
    fixture.failure = undefined;
    fixture.facts.hostname = "three";
    await fixture.waitForReads(3);
    fixture.failure = new AranyaError(code, "Cannot handle facts: no");
    fixture.facts.hostname = "four";
    await fixture.waitForReads(5);
    assert.deepEqual(fixture.sent, ["one", "two", "two", "three", "four"]);
    assert.equal(fixture.log.lines.length, 2);
  });
}

Deno.test("FactsReport has no addresses and ids before the first reading", async () => {
  await using fixture = new FactsFixture();
  const { report } = fixture;
  assert.deepEqual(
    [report.addresses, report.machineId, report.bootId],
    [[], "", ""],
  );
  await report.read(new AbortController().signal);
  assert.deepEqual(
    [report.addresses, report.machineId, report.bootId],
    [["192.0.2.1"], "m1", "b1"],
  );
});

Deno.test("FactsReport.run() logs when the engine becomes unavailable and available again", async () => {
  await using fixture = new FactsFixture({ delayMs: 2 });
  const createConditions = (status: boolean) =>
    create(FactsSchema, {
      conditions: [{ type: "RuntimeReady", status, message: "no socket" }],
    }).conditions;
  fixture.facts.conditions = createConditions(false);
  await fixture.waitForReads(3);
  fixture.facts.conditions = createConditions(true);
  await fixture.waitForReads(3);
  assert.deepEqual(fixture.log.lines, [
    "container engine is unavailable",
    "container engine is available again",
  ]);
});

Deno.test("FactsReport logs no warning when a report fails because the device is offline", async () => {
  await using fixture = new FactsFixture({ delayMs: 1, connected: false });
  fixture.failure = new AranyaError("timed_out", "Cannot report facts");
  fixture.report.onConnected();
  await fixture.waitForReads(4);
  assert.ok(fixture.sent.length > 0);
  assert.deepEqual(fixture.log.lines, []);
});
