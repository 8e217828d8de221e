// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createReports } from "../../../lib/agent/commands/reports.ts";
import { AranyaError, SYSTEM_CLOCK } from "../../../lib/shared/base/mod.ts";
import {
  create,
  decodeMessage,
  EventListSchema,
  Method,
  PodStatusListSchema,
  PodStatusSchema,
} from "../../../lib/shared/wire/mod.ts";
import { createBook } from "../_support/running_agent.ts";

function start() {
  const stop = new AbortController();
  const sent: string[] = [];
  const device = { online: true };
  const { log } = createBook();
  const reports = createReports({
    clock: SYSTEM_CLOCK,
    log,
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
    async sends(count: number) {
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

Deno.test("createReports() sends the newest of what came together, at once", async () => {
  await using agent = start();
  agent.reports.status(status("a", 1n));
  agent.reports.status(status("b", 2n));
  agent.reports.status(status("a", 3n));
  agent.reports.event(event("Pulled"));
  agent.reports.event(event("Started"));
  await agent.sends(2);
  assert.deepEqual(agent.sent, ["a@3 b@2", "Pulled Started"]);
});

Deno.test("createReports() keeps what could not be sent, and sends it with the next link", async () => {
  await using agent = start();
  agent.device.online = false;
  agent.reports.status(status("a", 1n));
  agent.reports.event(event("Pulled"));
  await SYSTEM_CLOCK.sleep(60);
  agent.reports.status(status("a", 2n));
  agent.device.online = true;
  agent.reports.connected();
  await agent.sends(2);
  assert.deepEqual(agent.sent, ["a@2", "Pulled"]);
});

Deno.test("createReports() drops the oldest events when there are too many", async () => {
  await using agent = start();
  for (let count = 0; count < 300; count++) {
    agent.reports.event(event(`e${count}`));
  }
  await agent.sends(1);
  assert.equal(agent.sent[0]?.split(" ").length, 256);
  assert.ok(agent.sent[0]?.endsWith("e299"));
});
