// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import { DevicePods } from "../../../lib/operator/pods/device_pods.ts";
import {
  ApplyPodResultSchema,
  create,
  encodeMessage,
  Method,
  PodRejectionSchema,
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
  }, { settings: { requestTimeoutMs: 60_000 } });
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

Deno.test("DevicePods.addReport() stores at most 4096 pods", () => {
  const { device } = open();
  const pods = Array.from({ length: 4100 }, (_, at) => ({
    uid: `u-${at}`,
    name: `p-${at}`,
  }));
  assert.equal(device.addReport(list(...pods)).length, 4096);
  assert.equal(device.keys().length, 4096);
  assert.deepEqual(device.addReport(list({ uid: "u-1", name: "p-1" })), [
    "ns/p-1",
  ]);
});

/** Opens a device whose answer to LIST_PODS is given later. */
function openSlowList() {
  const reply = Promise.withResolvers<Uint8Array>();
  const device = new DevicePods({
    request: (method) =>
      method === Method.LIST_PODS
        ? reply.promise
        : Promise.resolve(new Uint8Array()),
  }, { settings: { requestTimeoutMs: 60_000 } });
  const answer = (...pods: Parameters<typeof list>) =>
    reply.resolve(encodeMessage(PodStatusListSchema, list(...pods)));
  return { device, answer };
}

Deno.test("DevicePods.list() keeps a report that is newer than the list", async () => {
  const { device, answer } = openSlowList();
  device.onDeviceConnected();
  const listing = device.list(SIGNAL);
  device.addReport(list({ uid: "a", name: "web", version: 7n }));
  answer({ uid: "a", name: "web", version: 6n });
  assert.deepEqual(await listing, ["ns/web"]);
  assert.equal(device.find("a")?.version, 7n);
});

Deno.test("DevicePods.list() takes the list of an agent that counts versions anew", async () => {
  const { device, answer } = openSlowList();
  device.addReport(list({ uid: "a", name: "web", version: 7n }));
  device.onDeviceConnected();
  const listing = device.list(SIGNAL);
  answer({ uid: "a", name: "web", version: 1n });
  await listing;
  assert.equal(device.find("a")?.version, 1n);
});

Deno.test("DevicePods.list() keeps a pod that was accepted and reported after the list was made", async () => {
  const { device, answer } = openSlowList();
  device.onDeviceConnected();
  const listing = device.list(SIGNAL);
  await device.apply(
    create(PodSpecSchema, { uid: "b", specHash: "h" }),
    SIGNAL,
  );
  device.addReport(list({ uid: "b", name: "new", version: 8n }));
  answer();
  assert.deepEqual(await listing, ["ns/new"]);
  assert.equal(device.find("b")?.version, 8n);
  assert.equal(device.hasAccepted("b"), true);
});

Deno.test("DevicePods.list() does not bring back a pod that was purged after the list was made", async () => {
  const { device, answer } = openSlowList();
  device.onDeviceConnected();
  device.addReport(list({ uid: "a", name: "web", version: 7n }));
  const listing = device.list(SIGNAL);
  await device.purge("a", SIGNAL);
  answer({ uid: "a", name: "web", version: 7n });
  await listing;
  assert.deepEqual(device.findByKey("ns/web"), []);
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

/** Returns a command with one token. */
function specWith(sha256: string) {
  return create(PodSpecSchema, {
    uid: "a",
    specHash: "h2",
    volumes: [{
      name: "v",
      source: {
        case: "files",
        value: { files: [{ path: "token", sha256, token: {} }] },
      },
    }],
  });
}

/** Returns the hashes of the tokens that the device has of pod "a". */
function tokensOf(device: DevicePods) {
  return device.findSpec("a")?.tokenFiles.map(({ sha256 }) => sha256);
}

Deno.test("DevicePods.findSpec() returns what was accepted before it is reported", async () => {
  const { device } = open();
  assert.equal(device.findSpec("a"), undefined);
  await device.apply(specWith("t1"), SIGNAL);
  assert.equal(device.findSpec("a")?.specHash, "h2");
  assert.deepEqual(tokensOf(device), ["t1"]);
  assert.equal(device.hasAccepted("a"), true);
  device.onDeviceConnected();
  assert.equal(device.hasAccepted("a"), false);
  assert.equal(device.findSpec("a"), undefined);
});

Deno.test("DevicePods.findSpec() returns the tokens that the device lists, else those that were sent", async () => {
  const listed: { sha256: string[] } = { sha256: [] };
  const { device } = open((method) =>
    method === Method.LIST_PODS
      ? encodeMessage(PodStatusListSchema, {
        pods: [{
          uid: "a",
          namespace: "ns",
          name: "web",
          specHash: "h2",
          tokenFiles: listed.sha256.map((sha256) => ({
            path: "token",
            sha256,
            token: {},
          })),
        }],
      })
      : new Uint8Array()
  );
  listed.sha256 = ["t1"];
  await device.list(SIGNAL);
  assert.deepEqual(tokensOf(device), ["t1"]);
  // A list may be older than what was accepted meanwhile.
  await device.apply(specWith("t2"), SIGNAL);
  await device.list(SIGNAL);
  assert.deepEqual(tokensOf(device), ["t2"]);
  // An agent that has not fetched it yet, or an old one, lists none.
  device.onDeviceConnected();
  listed.sha256 = [];
  await device.list(SIGNAL);
  assert.deepEqual(tokensOf(device), ["t2"]);
  listed.sha256 = ["t1"];
  await device.list(SIGNAL);
  assert.deepEqual(tokensOf(device), ["t1"]);
  await device.purge("a", SIGNAL);
  assert.equal(tokensOf(device), undefined);
});

Deno.test("DevicePods.apply() returns why the device rejects a pod, which it then doesn't have", async () => {
  const rejection = { reason: "Evicted", message: "no space. " };
  const { device } = open(() =>
    encodeMessage(ApplyPodResultSchema, {
      rejection: create(PodRejectionSchema, rejection),
    })
  );
  const { reason, message } = await device.apply(specWith("t1"), SIGNAL) ?? {};
  assert.deepEqual({ reason, message }, rejection);
  assert.equal(device.hasAccepted("a"), false);
  assert.equal(device.findSpec("a"), undefined);
});

Deno.test("DevicePods.purge() throws other errors of the device", async () => {
  const { device } = open(() =>
    new AranyaError("unavailable", "Cannot reach device: it is offline")
  );
  await assert.rejects(device.purge("a", SIGNAL), { code: "unavailable" });
});

Deno.test("DevicePods.list() refuses a list of more pods than are stored, before it is decoded", async () => {
  const answers = [4096, 4097].map((length) =>
    encodeMessage(PodStatusListSchema, {
      pods: Array.from({ length }, (_, index) => ({ uid: `u${index}` })),
    })
  );
  const { device } = open(() => answers.shift() ?? new Uint8Array());
  await device.list(SIGNAL);
  await assert.rejects(device.list(SIGNAL), { code: "too_large" });
  assert.ok(device.find("u4095"), "the former list is kept");
});

Deno.test("DevicePods reads the request timeout anew for each request", async () => {
  const timeouts: number[] = [];
  const settings = { requestTimeoutMs: 5_000 };
  const device = new DevicePods({
    request(_method, _payload, options) {
      timeouts.push(options.timeoutMs);
      return Promise.resolve(new Uint8Array());
    },
  }, { settings });
  await device.purge("a", SIGNAL);
  settings.requestTimeoutMs = 9_000;
  await device.list(SIGNAL);
  assert.deepEqual(timeouts, [5_000, 9_000]);
});

/** Reports pods until their reports have `bytes`, and returns how many were stored. */
function flood(device: DevicePods, bytes: number): number {
  const failureMessage = "x".repeat(1_000_000);
  let stored = 0;
  for (let at = 0; at < bytes / failureMessage.length; at++) {
    const pod = { uid: `u${at}`, namespace: "ns", name: "p", failureMessage };
    stored += device.addReport(create(PodStatusListSchema, { pods: [pod] }))
      .length;
  }
  return stored;
}

Deno.test("DevicePods.addReport() stores at most 16 MiB of statuses, whatever UIDs they have", () => {
  const { device } = open();
  assert.equal(flood(device, 400_000_000), 16);
  assert.equal(device.refusedCount, 384);
  assert.deepEqual(device.addReport(list({ uid: "a", name: "web" })), [
    "ns/web",
  ]);
});

Deno.test("DevicePods.list() makes room for other pods", async () => {
  const { device } = open();
  flood(device, 17_000_000);
  await device.list(SIGNAL);
  assert.deepEqual(device.keys(), []);
  assert.equal(flood(device, 17_000_000), 16);
});

Deno.test("DevicePods.list() stores no more than 16 MiB of listed tokens, also when later reports have none", async () => {
  let uid = "";
  const { device } = open(() =>
    encodeMessage(PodStatusListSchema, {
      pods: [{
        uid,
        namespace: "ns",
        name: "p",
        tokenFiles: [{ path: "x".repeat(1_000_000), token: {} }],
      }],
    })
  );
  const uids = Array.from({ length: 40 }, (_, at) => `u${at}`);
  for (uid of uids) {
    const listing = device.list(SIGNAL);
    // What is reported meanwhile is kept.
    device.addReport(list(...uids.map((each) => ({ uid: each, name: "p" }))));
    await listing;
  }
  const held = uids.flatMap((each) => device.findSpec(each)?.tokenFiles ?? []);
  assert.ok(held.length > 0 && held.length <= 16, `${held.length} files`);
});
