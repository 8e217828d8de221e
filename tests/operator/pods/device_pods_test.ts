// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import { DevicePods } from "../../../lib/operator/pods/device_pods.ts";
import {
  create,
  encodeMessage,
  type Method,
  PodSpecSchema,
  PodStatusListSchema,
} from "../../../lib/shared/wire/mod.ts";

const SIGNAL = new AbortController().signal;

function list(...pods: { uid: string; name: string; version?: bigint }[]) {
  return create(PodStatusListSchema, {
    pods: pods.map((pod) => ({ namespace: "ns", ...pod })),
  });
}

function open(
  answer: (method: Method) => Uint8Array | AranyaError = () => new Uint8Array(),
) {
  const calls: Method[] = [];
  const device = new DevicePods({
    request(method) {
      calls.push(method);
      const reply = answer(method);
      return reply instanceof AranyaError
        ? Promise.reject(reply)
        : Promise.resolve(reply);
    },
  }, { requestTimeoutMs: 60_000 });
  return { device, calls };
}

Deno.test("DevicePods.addReport() drops statuses older than the stored one", () => {
  const { device } = open();
  assert.deepEqual(
    device.addReport(list({ uid: "a", name: "web", version: 5n })),
    [
      "ns/web",
    ],
  );
  assert.deepEqual(
    device.addReport(list({ uid: "a", name: "web", version: 4n })),
    [],
  );
  assert.equal(device.find("a")?.version, 5n);
});

Deno.test("DevicePods.list() drops pods that are not listed, and returns the keys of both", async () => {
  const { device } = open(() =>
    encodeMessage(
      PodStatusListSchema,
      list({ uid: "b", name: "new", version: 1n }),
    )
  );
  device.addReport(list({ uid: "a", name: "old", version: 9n }));
  assert.deepEqual(await device.list(SIGNAL), ["ns/old", "ns/new"]);
  assert.equal(device.find("a"), undefined);
  assert.equal(device.findByKey("ns/new").length, 1);
});

Deno.test("DevicePods.remove() sends one request for each shorter grace period", async () => {
  const { device, calls } = open();
  for (const graceSeconds of [30, 30, 60, 5]) {
    await device.remove("a", { graceSeconds, signal: SIGNAL });
  }
  assert.equal(calls.length, 2);
  device.onDeviceConnected();
  await device.remove("a", { graceSeconds: 30, signal: SIGNAL });
  assert.equal(calls.length, 3);
});

Deno.test("DevicePods.remove() returns false when the device does not have the pod", async () => {
  const { device } = open(() =>
    new AranyaError("not_found", "Cannot remove pod: it isn't here")
  );
  device.addReport(list({ uid: "a", name: "web" }));
  const found = await device.remove("a", { graceSeconds: 1, signal: SIGNAL });
  assert.equal(found, false);
  assert.equal(device.find("a"), undefined);
  await device.purge("a", SIGNAL);
});

Deno.test("DevicePods.addReport() drops a status that was sent before the pod was purged", async () => {
  const { device } = open();
  device.addReport(list({ uid: "a", name: "web", version: 5n }));
  await device.purge("a", SIGNAL);
  const late = list({ uid: "a", name: "web", version: 4n });
  assert.deepEqual(device.addReport(late), []);
  assert.deepEqual(device.findByKey("ns/web"), []);
  device.onDeviceConnected();
  assert.deepEqual(device.addReport(late), ["ns/web"]);
});

Deno.test("DevicePods.hashOf() returns what was accepted before it is reported", async () => {
  const { device } = open();
  const spec = create(PodSpecSchema, { uid: "a", specHash: "h2" });
  assert.equal(device.hashOf("a"), undefined);
  await device.apply(spec, SIGNAL);
  assert.equal(device.hashOf("a"), "h2");
  assert.equal(device.hasAccepted("a"), true);
  device.onDeviceConnected();
  assert.equal(device.hasAccepted("a"), false);
});

Deno.test("DevicePods.purge() throws other errors of the device", async () => {
  const { device } = open(() =>
    new AranyaError("unavailable", "Cannot reach device: it is offline")
  );
  await assert.rejects(device.purge("a", SIGNAL), { code: "unavailable" });
});

Deno.test("DevicePods reads the request timeout anew for each request", async () => {
  const timeouts: number[] = [];
  const settings = { requestTimeoutMs: 5_000 };
  const device = new DevicePods({
    request(_method, _payload, options) {
      timeouts.push(options.timeoutMs);
      return Promise.resolve(new Uint8Array());
    },
  }, settings);
  await device.purge("a", SIGNAL);
  settings.requestTimeoutMs = 9_000;
  await device.list(SIGNAL);
  assert.deepEqual(timeouts, [5_000, 9_000]);
});
