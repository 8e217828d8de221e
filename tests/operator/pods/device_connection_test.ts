// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  AranyaError,
  type Clock,
  SILENT_LOGGER,
} from "../../../lib/shared/base/mod.ts";
import { DeviceConnection } from "../../../lib/operator/pods/device_connection.ts";

const REASON = new AranyaError("unavailable", "Cannot reach device");
const CAPABILITIES = ["pods.v1"];
const PAUSED = Symbol("paused");

/** Opens a connection whose clock stops at each sleep, until the test lets it continue. */
function open(answers: (string[] | AranyaError)[]) {
  const sleeps: number[] = [];
  const listed: (readonly string[])[] = [];
  let connectCount = 0;
  let paused = Promise.withResolvers<typeof PAUSED>();
  let resume = () => {};
  const clock: Clock = {
    monotonicMs: () => 0,
    wallMs: () => 0,
    sleep: (ms, { signal } = {}) =>
      new Promise((resolve, reject) => {
        sleeps.push(ms);
        signal?.addEventListener("abort", () => reject(signal.reason));
        resume = () => {
          paused = Promise.withResolvers();
          resolve();
        };
        paused.resolve(PAUSED);
      }),
  };
  const connection = new DeviceConnection({
    devicePods: {
      onDeviceConnected: () => void connectCount++,
      list: () => {
        const answer = answers.shift() ?? [];
        return answer instanceof AranyaError
          ? Promise.reject(answer)
          : Promise.resolve(answer);
      },
    },
    settings: { podSyncMs: 1000 },
    onListed: (podKeys) => void listed.push(podKeys),
    log: SILENT_LOGGER,
    clock,
  });
  return {
    connection,
    sleeps,
    listed,
    connectCount: () => connectCount,
    /** Resolves when the connection sleeps. */
    paused: () => paused.promise,
    resume: () => resume(),
  };
}

Deno.test("DeviceConnection.listed is undefined until the device has listed its pods", async () => {
  const opened = open([["ns/a"]]);
  const { connection } = opened;
  const read = () => connection.listed;
  assert.equal(read(), undefined);
  connection.open({ capabilities: CAPABILITIES });
  assert.equal(opened.connectCount(), 1);
  assert.equal(read(), undefined);
  await opened.paused();
  assert.deepEqual(read()?.capabilities, CAPABILITIES);
  assert.equal(read()?.signal.aborted, false);
  assert.deepEqual(opened.listed, [["ns/a"]]);
  await connection.close(REASON);
  assert.equal(read(), undefined);
});

Deno.test("DeviceConnection retries a list that fails, and is not listed meanwhile", async () => {
  const opened = open([REASON, ["ns/a"]]);
  opened.connection.open({ capabilities: CAPABILITIES });
  await opened.paused();
  assert.equal(opened.connection.listed, undefined);
  assert.deepEqual(opened.listed, []);
  opened.resume();
  await opened.paused();
  assert.ok(opened.connection.listed);
  const [retryMs = 0, intervalMs = 0] = opened.sleeps;
  assert.ok(retryMs >= 250 && retryMs <= 500, `${retryMs}`);
  assert.ok(intervalMs >= 800 && intervalMs <= 1000, `${intervalMs}`);
  await opened.connection.close(REASON);
});

Deno.test("DeviceConnection lists again after each interval, and stays listed when that fails", async () => {
  const opened = open([["ns/a"], ["ns/b"], REASON]);
  opened.connection.open({ capabilities: CAPABILITIES });
  await opened.paused();
  opened.resume();
  await opened.paused();
  assert.deepEqual(opened.listed, [["ns/a"], ["ns/b"]]);
  opened.resume();
  await opened.paused();
  assert.ok(opened.connection.listed);
  assert.equal(opened.listed.length, 2);
  await opened.connection.close(REASON);
});

Deno.test("DeviceConnection.close() aborts the signal with its reason, and may be called twice", async () => {
  const opened = open([[]]);
  const { connection } = opened;
  connection.open({ capabilities: CAPABILITIES });
  await opened.paused();
  const signal = connection.listed?.signal;
  await connection.close(REASON);
  assert.equal(signal?.reason, REASON);
  await connection.close(REASON);
});
