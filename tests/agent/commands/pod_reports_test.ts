// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { PodReports } from "../../../lib/agent/commands/pod_reports.ts";
import { AranyaError, SYSTEM_CLOCK } from "../../../lib/shared/base/mod.ts";
import {
  create,
  decodeMessage,
  EventListSchema,
  Method,
  PodStatusListSchema,
  PodStatusSchema,
} from "../../../lib/shared/wire/mod.ts";
import { RecordedLog } from "../_support/recorded_log.ts";

function start() {
  const stop = new AbortController();
  const sent: string[] = [];
  const device = { online: true };
  const { logger } = new RecordedLog();
  const reports = new PodReports({
    clock: SYSTEM_CLOCK,
    log: logger,
    session: {
      request(method, payload) {
        if (!device.online) {
          return Promise.reject(new AranyaError("unavailable", "Cannot x"));
        }
        sent.push(
          method === Method.REPORT_PODS
            ? decodeMessage(PodStatusListSchema, payload).pods.map((pod) =>
              `${pod.uid}@${pod.version}`
            ).join(" ")
            : decodeMessage(EventListSchema, payload).events.map((event) =>
              event.reason
            ).join(" "),
        );
        return Promise.resolve(new Uint8Array());
      },
    },
  });
  const running = reports.run(stop.signal);
  return {
    device,
    reports,
    sent,
    /** Resolves after so many requests. */
    async waitForRequests(count: number) {
      const deadline = performance.now() + 5_000;
      while (sent.length < count && performance.now() < deadline) {
        await SYSTEM_CLOCK.sleep(1);
      }
      assert.equal(sent.length, count, sent.join(", "));
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}

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
  await using agent = start();
  agent.reports.onPodStatus(status("a", 1n));
  agent.reports.onPodStatus(status("b", 2n));
  agent.reports.onPodStatus(status("a", 3n));
  agent.reports.onPodEvent(event("Pulled"));
  agent.reports.onPodEvent(event("Started"));
  await agent.waitForRequests(2);
  assert.deepEqual(agent.sent, ["a@3 b@2", "Pulled Started"]);
});

Deno.test("PodReports.run() keeps what could not be sent, and sends it when the link is up", async () => {
  await using agent = start();
  agent.device.online = false;
  agent.reports.onPodStatus(status("a", 1n));
  agent.reports.onPodEvent(event("Pulled"));
  await SYSTEM_CLOCK.sleep(60);
  agent.reports.onPodStatus(status("a", 2n));
  agent.device.online = true;
  agent.reports.onConnected();
  await agent.waitForRequests(2);
  assert.deepEqual(agent.sent, ["a@2", "Pulled"]);
});

Deno.test("PodReports.onPodEvent() drops the oldest events beyond 256", async () => {
  await using agent = start();
  for (let count = 0; count < 300; count++) {
    agent.reports.onPodEvent(event(`e${count}`));
  }
  await agent.waitForRequests(1);
  assert.equal(agent.sent[0]?.split(" ").length, 256);
  assert.ok(agent.sent[0]?.endsWith("e299"));
});
