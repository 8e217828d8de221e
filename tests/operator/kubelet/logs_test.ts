// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError, utf8 } from "../../../lib/shared/base/mod.ts";
import { pauseReading } from "../../../lib/operator/streaming/socket_flow.ts";
import { until } from "../../../dev/base/wait.ts";
import { KubeletRig } from "../../../dev/world/kubelet_rig.ts";

const PATH = "/containerLogs/default/web/app";

Deno.test("sendLog() sends a log as plain text", async () => {
  await using kubelet = await KubeletRig.start();
  const answer = await kubelet.request(`${PATH}?tailLines=2`);
  assert.deepEqual([answer.status, answer.body], [200, "line 1\nline 2\n"]);
  assert.equal(answer.headers["content-type"], "text/plain; charset=utf-8");
});

for (
  const [query, status] of [
    ["tailLines=x", 400],
    ["tailLines=-1", 422],
    ["sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z", 422],
  ] as const
) {
  Deno.test(`sendLog() answers ${query} with ${status}`, async () => {
    await using kubelet = await KubeletRig.start();
    const answer = await kubelet.request(`${PATH}?${query}`);
    assert.equal(answer.status, status);
    assert.match(answer.body, /^Cannot read log/);
  });
}

Deno.test("sendLog() answers with the error as plain text when there is no log", async () => {
  await using kubelet = await KubeletRig.start();
  const unknown = await kubelet.request("/containerLogs/default/web/other");
  assert.equal(unknown.status, 404);
  assert.match(unknown.body, /^Cannot find container "other"/);
  kubelet.node.logs = () =>
    Promise.reject(new AranyaError("invalid", "it is waiting to start"));
  const { status, body } = await kubelet.request(PATH);
  assert.deepEqual([status, body], [400, "it is waiting to start"]);
});

Deno.test("sendLog() answers 400 where the API server would replace the error's message", async () => {
  await using kubelet = await KubeletRig.start();
  kubelet.node.refusal = new AranyaError("unavailable", "it is offline");
  const offline = await kubelet.request(PATH);
  kubelet.node.refusal = new AranyaError("forbidden", "host.logs is off");
  const forbidden = await kubelet.request(PATH);
  assert.deepEqual([offline.status, offline.body], [400, "it is offline"]);
  assert.deepEqual([forbidden.status, forbidden.body], [
    403,
    "host.logs is off",
  ]);
});

Deno.test("sendLog() sends each line of a followed log as it arrives", async () => {
  await using kubelet = await KubeletRig.start();
  const { promise, resolve } = Promise.withResolvers<void>();
  kubelet.node.tick = promise;
  const socket = await follow(kubelet);
  let text = "";
  socket.on("data", (chunk) => text += chunk.toString());
  await until(() => text.includes("line 3\n"), { what: "three lines" });
  resolve();
  await until(() => text.includes("last line\n"), { what: "the last line" });
});

Deno.test("sendLog() ends the reader when the client leaves", async () => {
  await using kubelet = await KubeletRig.start();
  kubelet.node.tick = new Promise(() => {});
  const socket = await follow(kubelet);
  await until(() => kubelet.node.running.logs === 1, { what: "a reader" });
  socket.destroy();
  await until(() => kubelet.node.running.logs === 0, { what: "no reader" });
});

Deno.test("sendLog() writes the error of a log that ends early and aborts the connection", async () => {
  await using kubelet = await KubeletRig.start();
  kubelet.node.logs = () => Promise.resolve(brokenLog());
  await assert.rejects(kubelet.request(PATH));
  const socket = await follow(kubelet);
  let text = "";
  socket.on("data", (chunk) => text += chunk.toString());
  await until(() => text.includes("Cannot go on: it went offline\n"), {
    what: "the reason",
  });
});

Deno.test("sendLog() writes why the server closes as the last line", async () => {
  await using kubelet = await KubeletRig.start();
  kubelet.node.logs = (_request, signal) => Promise.resolve(openLog(signal));
  const socket = await follow(kubelet);
  let text = "";
  socket.on("data", (chunk) => text += chunk.toString());
  await until(() => text.includes("line 1\n"), { what: "the first line" });
  await kubelet.server.close("the operator is shutting down");
  await until(() => text.includes("the operator is shutting down\n"), {
    what: "the reason",
    detail: () => text,
  });
});

Deno.test("sendLog() reads no further while the client doesn't read", async () => {
  await using kubelet = await KubeletRig.start();
  let given = 0;
  kubelet.node.logs = (_request, signal) =>
    Promise.resolve(endlessLog(signal, () => given++));
  const socket = await follow(kubelet);
  pauseReading(socket);
  let before = -1;
  await until(() => {
    const stands = given === before;
    before = given;
    return stands && given > 0;
  }, { what: "a log that waits", intervalMs: 100 });
  assert.ok(given < 1000, `gave ${given} MB`);
});

async function follow(kubelet: KubeletRig) {
  const socket = await kubelet.connect();
  socket.write(`GET ${PATH}?follow=true HTTP/1.1\r\nHost: node\r\n\r\n`);
  return socket;
}

async function* brokenLog(): AsyncGenerator<Uint8Array> {
  yield utf8("line 1\n");
  throw new AranyaError("unavailable", "Cannot go on: it went offline");
}

/** Ends like a stream of the device's session. */
async function* openLog(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  yield utf8("line 1\n");
  await new Promise<void>((resolve) =>
    signal.addEventListener("abort", () => resolve())
  );
  throw new AranyaError("cancelled", "Cannot use stream: it was cancelled");
}

async function* endlessLog(
  signal: AbortSignal,
  count: () => void,
): AsyncGenerator<Uint8Array> {
  while (!signal.aborted) {
    count();
    yield new Uint8Array(1024 * 1024);
  }
}
