// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  PodReports,
  type PodReportsOptions,
} from "../../../lib/agent/commands/pod_reports.ts";
import {
  AranyaError,
  type Clock,
  SYSTEM_CLOCK,
} from "../../../lib/shared/base/mod.ts";
import {
  create,
  decodeMessage,
  EventListSchema,
  Method,
  PodStatusListSchema,
  PodStatusSchema,
} from "../../../lib/shared/wire/mod.ts";
import type { SessionHandlers } from "../../../lib/shared/session/mod.ts";
import { RecordedLog } from "../_support/recorded_log.ts";
import { until } from "../../../dev/base/wait.ts";

const RETRY_INTERVAL_MS = 5_000;

/** Formats a request: pods as "uid@version", events by their reasons. */
function format(method: Method, payload: Uint8Array): string {
  return method === Method.REPORT_PODS
    ? decodeMessage(PodStatusListSchema, payload).pods.map((pod) =>
      `${pod.uid}@${pod.version}`
    ).join(" ")
    : decodeMessage(EventListSchema, payload).events.map((event) =>
      event.reason
    ).join(" ");
}

/** Runs reports on a session whose requests succeed, or fail with `failure`. */
class ReportsFixture implements AsyncDisposable {
  readonly reports: PodReports;
  readonly session: { connected: boolean } & PodReportsOptions["session"];
  readonly log = new RecordedLog();
  /** Requests that succeeded. */
  readonly sent: string[] = [];
  failure: AranyaError | undefined;
  failedCount = 0;
  /** Answers requests instead of `failure`, like the operator. */
  handlers: SessionHandlers | undefined;
  /** Called while a request is under way. */
  onRequest: () => void = () => {};
  /** Delays that have begun, with the signals that end them. */
  readonly delays: { delayMs: number; signal: AbortSignal | undefined }[] = [];
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor() {
    const clock: Clock = {
      ...SYSTEM_CLOCK,
      sleep: (delayMs, options) => {
        this.delays.push({ delayMs, signal: options?.signal });
        return SYSTEM_CLOCK.sleep(delayMs, options);
      },
    };
    this.reports = new PodReports({
      clock,
      log: this.log.logger,
      session: this.session = {
        connected: true,
        request: async (method, payload) => {
          this.onRequest();
          await this.handlers?.request(method, payload, this.#stop.signal)
            .catch((error) => {
              this.failedCount++;
              throw error;
            });
          if (this.failure) {
            this.failedCount++;
            throw this.failure;
          }
          this.sent.push(format(method, payload));
          return new Uint8Array();
        },
      },
    });
    this.#running = this.reports.run(this.#stop.signal);
  }

  /** Resolves when the retry delay has begun, and returns its signal. */
  async waitForRetryDelay(): Promise<AbortSignal | undefined> {
    const find = () =>
      this.delays.find(({ delayMs }) => delayMs === RETRY_INTERVAL_MS);
    await until(() => find() !== undefined);
    return find()?.signal;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

const NO_STREAMS: Pick<SessionHandlers, "stream"> = {
  stream: () => Promise.reject(new Error("unexpected stream")),
};

const OFFLINE = new AranyaError("unavailable", "Cannot send: no link");

const status = (uid: string, version: bigint) =>
  create(PodStatusSchema, { uid, version });
const event = (reason: string) => ({
  podUid: "u1",
  container: "",
  warning: false,
  reason,
  message: "",
});

Deno.test("PodReports.run() sends changes within the batch delay in one request, of each pod the newest", async () => {
  await using fixture = new ReportsFixture();
  const { reports, sent } = fixture;
  reports.onPodStatus(status("a", 1n));
  reports.onPodStatus(status("b", 2n));
  reports.onPodStatus(status("a", 3n));
  reports.onPodEvent(event("Pulled"));
  reports.onPodEvent(event("Started"));
  await until(() => sent.length === 2);
  assert.deepEqual(sent, ["a@3 b@2", "Pulled Started"]);
});

Deno.test("PodReports.onConnected() ends the retry delay, and what could not be sent is sent", async () => {
  await using fixture = new ReportsFixture();
  const { reports, sent } = fixture;
  fixture.failure = OFFLINE;
  reports.onPodStatus(status("a", 1n));
  reports.onPodEvent(event("Pulled"));
  const signal = await fixture.waitForRetryDelay();
  reports.onPodStatus(status("a", 2n));
  fixture.failure = undefined;
  reports.onConnected();
  assert.equal(signal?.aborted, true);
  await until(() => sent.length === 2);
  assert.deepEqual(sent, ["a@2", "Pulled"]);
});

Deno.test("PodReports.onConnected() during a request that fails lets it be repeated at once", async () => {
  await using fixture = new ReportsFixture();
  const { reports, sent } = fixture;
  fixture.failure = OFFLINE;
  fixture.onRequest = () => {
    if (fixture.failedCount === 0) reports.onConnected();
    else fixture.failure = undefined;
  };
  reports.onPodStatus(status("a", 1n));
  await until(() => sent.length === 1);
  assert.equal(fixture.failedCount, 1);
  assert.equal((await fixture.waitForRetryDelay())?.aborted, true);
});

Deno.test("PodReports.onConnected() before a request does not shorten the retry delay after it", async () => {
  await using fixture = new ReportsFixture();
  const { reports } = fixture;
  fixture.failure = OFFLINE;
  reports.onConnected();
  reports.onPodStatus(status("a", 1n));
  const signal = await fixture.waitForRetryDelay();
  assert.equal(signal?.aborted, false);
  assert.equal(fixture.failedCount, 1);
});

Deno.test("PodReports.run() logs errors other than a missing link", async () => {
  await using fixture = new ReportsFixture();
  fixture.failure = new AranyaError("internal", "Cannot send: broken");
  fixture.reports.onPodStatus(status("a", 1n));
  await until(() => fixture.log.lines.length === 1);
  assert.deepEqual(fixture.log.lines, [
    "pod report failed, will retry: Cannot send: broken",
  ]);
});

Deno.test("PodReports.onPodEvent() drops the oldest events beyond 256", async () => {
  await using fixture = new ReportsFixture();
  for (let count = 0; count < 300; count++) {
    fixture.reports.onPodEvent(event(`e${count}`));
  }
  await until(() => fixture.sent.length === 1);
  const reasons = fixture.sent[0]?.split(" ") ?? [];
  assert.equal(reasons.length, 256);
  assert.equal(reasons.at(-1), "e299");
});

Deno.test("PodReports logs no warning when a report fails because the device is offline", async () => {
  await using fixture = new ReportsFixture();
  fixture.session.connected = false;
  fixture.failure = new AranyaError("timed_out", "Cannot report pods");
  fixture.reports.onPodStatus(create(PodStatusSchema, { uid: "a" }));
  await until(() => fixture.delays.length > 1);
  assert.equal(fixture.failedCount, 1);
  assert.deepEqual(fixture.log.lines, []);
});

Deno.test("PodReports cuts the message of an Event to 1024 bytes of UTF-8, and to whole characters", async () => {
  await using fixture = new ReportsFixture();
  const messages: string[] = [];
  fixture.handlers = {
    ...NO_STREAMS,
    request(_method, payload) {
      const { events } = decodeMessage(EventListSchema, payload);
      messages.push(...events.map(({ message }) => message));
      return Promise.resolve(new Uint8Array());
    },
  };
  for (const message of ["x".repeat(2000), "a" + "ж".repeat(2000), "🙂"]) {
    fixture.reports.onPodEvent({ ...event("e"), message });
  }
  await until(() => messages.length === 3);
  assert.deepEqual(messages, ["x".repeat(1024), "a" + "ж".repeat(511), "🙂"]);
});

Deno.test("PodReports sends as many Events in one request as the operator accepts", async () => {
  await using fixture = new ReportsFixture();
  const sizes: number[] = [];
  fixture.handlers = {
    ...NO_STREAMS,
    request(_method, payload) {
      sizes.push(payload.length);
      return Promise.resolve(new Uint8Array());
    },
  };
  for (let count = 0; count < 200; count++) {
    fixture.reports.onPodEvent({
      ...event(`e${count}`),
      container: "c".repeat(10_000),
    });
  }
  await until(() =>
    fixture.sent.flatMap((reasons) => reasons.split(" ")).length === 200
  );
  assert.ok(sizes.length <= 5, `${sizes.length} requests`);
  assert.ok(Math.max(...sizes) <= 512 * 1024, `${Math.max(...sizes)} bytes`);
});

for (const code of ["too_large", "invalid"] as const) {
  Deno.test(`PodReports.run() drops an Event and a status that are answered ${code}, and sends the others`, async () => {
    await using fixture = new ReportsFixture();
    const { reports, sent, log } = fixture;
    fixture.handlers = {
      ...NO_STREAMS,
      request(method, payload) {
        return format(method, payload).includes("bad")
          ? Promise.reject(new AranyaError(code, "Cannot handle: refused"))
          : Promise.resolve(new Uint8Array());
      },
    };
    for (const name of ["a", "b", "bad", "c"]) {
      reports.onPodStatus(status(name, 1n));
      reports.onPodEvent(event(name));
    }
    const isSent = (text: string) =>
      sent.flatMap((line) => line.split(" ")).includes(text);
    await until(() => ["a", "b", "c"].every(isSent));
    await until(() => ["a@1", "b@1", "c@1"].every(isSent));
    assert.deepEqual(log.lines, [
      "operator refused the status of a pod, it was dropped: Cannot handle: refused",
      "operator refused an event, it was dropped: Cannot handle: refused",
    ]);
    // Nothing is kept to be sent again.
    assert.equal(
      fixture.delays.some(({ delayMs }) => delayMs === RETRY_INTERVAL_MS),
      false,
    );
  });
}
