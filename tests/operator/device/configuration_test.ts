// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import {
  ConfigureSchema,
  create,
  decodeMessage,
} from "../../../lib/shared/wire/mod.ts";
import { ConfigurationSender } from "../../../lib/operator/device/configuration.ts";
import { until } from "../../../dev/base/wait.ts";

/** A sender whose requests fail `failureCount` times, and the pod ranges that were sent. */
function createFixture({ failureCount = 0 } = {}) {
  const sent: string[] = [];
  let failuresLeft = failureCount;
  const sender = new ConfigurationSender({
    session: {
      request: (_method, payload) => {
        sent.push(decodeMessage(ConfigureSchema, payload).podCidr);
        return failuresLeft-- > 0
          ? Promise.reject(new Error("away"))
          : Promise.resolve(new Uint8Array());
      },
    },
    settings: { requestTimeoutMs: 1000 },
    log: SILENT_LOGGER,
  });
  return { sender, sent };
}

function configure(podCidr: string) {
  return create(ConfigureSchema, { podCidr, nodeName: "edge-1" });
}

/** Runs the sender for one link; `end` stops it. */
function startRun(sender: ConfigurationSender) {
  const ended = new AbortController();
  const run = { configuredCount: 0 };
  const running = sender.run({
    signal: ended.signal,
    onConfigured: () => void run.configuredCount++,
  });
  return {
    run,
    end: async () => {
      ended.abort();
      await running;
    },
  };
}

Deno.test("run() sends the configuration once it is set, and again only when it differs", async () => {
  const { sender, sent } = createFixture();
  const { run, end } = startRun(sender);
  sender.setDesired(configure("10.1.0.0/26"));
  await until(() => run.configuredCount === 1, "the configuration");
  sender.setDesired(configure("10.1.0.0/26"));
  sender.setDesired(configure("10.2.0.0/26"));
  await until(() => sent.length === 2, "the changed configuration");
  await end();
  assert.deepEqual(sent, ["10.1.0.0/26", "10.2.0.0/26"]);
  assert.equal(run.configuredCount, 1);
});

Deno.test("run() sends the configuration anew for each link, also while a former run ends", async () => {
  const { sender, sent } = createFixture();
  sender.setDesired(configure("10.1.0.0/26"));
  const first = startRun(sender);
  await until(() => first.run.configuredCount === 1, "the first link");
  const second = startRun(sender);
  await until(() => second.run.configuredCount === 1, "the second link");
  await first.end();
  sender.setDesired(configure("10.2.0.0/26"));
  await until(() => sent.length === 3, "the changed configuration");
  await second.end();
  assert.deepEqual(sent, ["10.1.0.0/26", "10.1.0.0/26", "10.2.0.0/26"]);
});

Deno.test("run() retries after a failure", async () => {
  const { sender, sent } = createFixture({ failureCount: 1 });
  sender.setDesired(configure("10.1.0.0/26"));
  const { run, end } = startRun(sender);
  await until(() => run.configuredCount === 1, "the second attempt");
  await end();
  assert.equal(sent.length, 2);
});

Deno.test("run() resolves when its link ends during a retry delay", async () => {
  const { sender, sent } = createFixture({ failureCount: 100 });
  sender.setDesired(configure("10.1.0.0/26"));
  const { run, end } = startRun(sender);
  await until(() => sent.length === 1, "an attempt");
  await end();
  assert.equal(run.configuredCount, 0);
});
