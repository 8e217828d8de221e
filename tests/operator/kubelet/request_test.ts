// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import { KubeletRig } from "../../../dev/world/kubelet_rig.ts";

Deno.test("handleRequest() answers the paths without streams", async () => {
  await using kubelet = await KubeletRig.start();
  const [health, pods, running, summary, metrics] = await Promise.all(
    [
      "/healthz",
      "/pods",
      "/runningpods/",
      "/stats/summary",
      "/metrics/resource",
    ]
      .map((path) => kubelet.request(path)),
  );
  assert.deepEqual([health?.status, health?.body], [200, "ok"]);
  assert.deepEqual(JSON.parse(pods?.body ?? "").items, [false]);
  assert.deepEqual(JSON.parse(running?.body ?? "").items, [true]);
  assert.equal(pods?.headers["content-type"], "application/json");
  assert.equal(JSON.parse(summary?.body ?? "").node.nodeName, "edge-1");
  assert.match(metrics?.body ?? "", /^resource_scrape_error 0$/m);
});

for (
  const [method, path, status, body] of [
    ["GET", "/nonsense", 404, /Page Not Found/],
    ["DELETE", "/pods", 405, /Method Not Allowed/],
    ["POST", "/run/default/web/app", 501, /^Cannot serve \/run: /],
    ["GET", "/configz", 501, /^Cannot serve \/configz: /],
    [
      "POST",
      "/exec/default/web/app?command=ls&output=1",
      400,
      /Upgrade request required/,
    ],
    ["GET", "/portForward/default/web", 400, /Upgrade request required/],
  ] as const
) {
  Deno.test(`handleRequest() answers ${method} ${path} with ${status}`, async () => {
    await using kubelet = await KubeletRig.start();
    const answer = await kubelet.request(path, { method });
    assert.equal(answer.status, status);
    assert.match(answer.body, body);
  });
}

Deno.test("handleRequest() answers a handler's error with its HTTP status", async () => {
  await using kubelet = await KubeletRig.start();
  const offline = new AranyaError("unavailable", "Cannot read: it is offline");
  kubelet.node.stats = () => Promise.reject(offline);
  const { status, body } = await kubelet.request("/stats/summary");
  assert.deepEqual([status, body], [503, "Cannot read: it is offline"]);
});

Deno.test("handleRequest() renders a failed scrape", async () => {
  await using kubelet = await KubeletRig.start();
  kubelet.node.stats = () => Promise.reject(new Error("offline"));
  const { status, body } = await kubelet.request("/metrics/resource");
  assert.equal(status, 200);
  assert.match(body, /^resource_scrape_error 1$/m);
});

Deno.test("handleRequest() answers 500 when a handler throws something that is no error", async () => {
  await using kubelet = await KubeletRig.start();
  kubelet.node.pods = () => {
    throw new TypeError("surprise");
  };
  assert.equal((await kubelet.request("/pods")).status, 500);
  assert.equal((await kubelet.request("/healthz")).status, 200);
});
