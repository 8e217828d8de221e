// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import { PodDevice } from "../../../lib/operator/pods/device_pods.ts";
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
  const device = new PodDevice({
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

Deno.test("PodDevice.learn() drops words older than what is known", () => {
  const { device } = open();
  assert.deepEqual(device.learn(list({ uid: "a", name: "web", version: 5n })), [
    "ns/web",
  ]);
  assert.deepEqual(
    device.learn(list({ uid: "a", name: "web", version: 4n })),
    [],
  );
  assert.equal(device.find("a")?.version, 5n);
});

Deno.test("PodDevice.list() forgets what the device no longer names, and names both", async () => {
  const { device } = open(() =>
    encodeMessage(
      PodStatusListSchema,
      list({ uid: "b", name: "new", version: 1n }),
    )
  );
  device.learn(list({ uid: "a", name: "old", version: 9n }));
  assert.deepEqual(await device.list(SIGNAL), ["ns/old", "ns/new"]);
  assert.equal(device.find("a"), undefined);
  assert.equal(device.named("ns/new").length, 1);
});

Deno.test("PodDevice.remove() asks once for each smaller grace", async () => {
  const { device, calls } = open();
  for (const graceSeconds of [30, 30, 60, 5]) {
    await device.remove("a", { graceSeconds, signal: SIGNAL });
  }
  assert.equal(calls.length, 2);
  device.restart();
  await device.remove("a", { graceSeconds: 30, signal: SIGNAL });
  assert.equal(calls.length, 3);
});

Deno.test("PodDevice.remove() says when the device does not know the pod", async () => {
  const { device } = open(() =>
    new AranyaError("not_found", "Cannot remove pod: it isn't here")
  );
  device.learn(list({ uid: "a", name: "web" }));
  const found = await device.remove("a", { graceSeconds: 1, signal: SIGNAL });
  assert.equal(found, false);
  assert.equal(device.find("a"), undefined);
  await device.forget("a", SIGNAL);
});

Deno.test("PodDevice.learn() drops what was on its way when the pod was forgotten", async () => {
  const { device } = open();
  device.learn(list({ uid: "a", name: "web", version: 5n }));
  await device.forget("a", SIGNAL);
  const late = list({ uid: "a", name: "web", version: 4n });
  assert.deepEqual(device.learn(late), []);
  assert.deepEqual(device.named("ns/web"), []);
  device.restart();
  assert.deepEqual(device.learn(late), ["ns/web"]);
});

Deno.test("PodDevice.hashOf() knows what was taken before it is reported", async () => {
  const { device } = open();
  const spec = create(PodSpecSchema, { uid: "a", specHash: "h2" });
  assert.equal(device.hashOf("a"), undefined);
  await device.apply(spec, SIGNAL);
  assert.equal(device.hashOf("a"), "h2");
  assert.equal(device.hasTaken("a"), true);
  device.restart();
  assert.equal(device.hasTaken("a"), false);
});

Deno.test("PodDevice passes other errors on", async () => {
  const { device } = open(() =>
    new AranyaError("unavailable", "Cannot reach device: it is offline")
  );
  await assert.rejects(device.forget("a", SIGNAL), { code: "unavailable" });
});

Deno.test("PodDevice bounds each command by the time that is set at that moment", async () => {
  const bounds: number[] = [];
  const settings = { requestTimeoutMs: 5_000 };
  const device = new PodDevice({
    request(_method, _payload, options) {
      bounds.push(options.timeoutMs);
      return Promise.resolve(new Uint8Array());
    },
  }, settings);
  await device.forget("a", SIGNAL);
  settings.requestTimeoutMs = 9_000;
  await device.list(SIGNAL);
  assert.deepEqual(bounds, [5_000, 9_000]);
});
