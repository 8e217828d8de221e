// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { renderResourceMetrics } from "../../../lib/operator/kubelet/resource_metrics.ts";
import { LocalNode, STATS_TIME } from "../../../dev/world/local_node.ts";

Deno.test("renderResourceMetrics() renders the kubelet's names, labels, values and times", async () => {
  const summary = await new LocalNode().stats();
  const lines = renderResourceMetrics(summary).split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  const at = Date.parse(STATS_TIME);
  const own = 'container="app",namespace="default",pod="web"';
  const pod = 'namespace="default",pod="web"';
  assert.deepEqual(lines, [
    `container_cpu_usage_seconds_total{${own}} 0.25 ${at}`,
    `container_memory_working_set_bytes{${own}} 1024 ${at}`,
    `container_start_time_seconds{${own}} 1767225610.5`,
    `node_cpu_usage_seconds_total 1.5 ${at}`,
    `node_memory_working_set_bytes 4096 ${at}`,
    `pod_cpu_usage_seconds_total{${pod}} 0.25 ${at}`,
    `pod_memory_working_set_bytes{${pod}} 1024 ${at}`,
    "resource_scrape_error 0",
  ]);
});

Deno.test("renderResourceMetrics() declares each family once", async () => {
  const summary = await new LocalNode().stats();
  const types = renderResourceMetrics(summary).split("\n")
    .filter((line) => line.startsWith("# TYPE"));
  assert.equal(types.length, 8);
  assert.ok(types.includes("# TYPE node_cpu_usage_seconds_total counter"));
});

Deno.test("renderResourceMetrics() renders resource_scrape_error 1 without statistics", () => {
  assert.equal(
    renderResourceMetrics(undefined).split("\n").at(-2),
    "resource_scrape_error 1",
  );
});

Deno.test("renderResourceMetrics() escapes labels", () => {
  const text = renderResourceMetrics({
    node: { nodeName: "n", startTime: "" },
    pods: [{
      podRef: { name: 'a"b\\c\nd', namespace: "x", uid: "u" },
      startTime: "",
      containers: [],
      cpu: { time: STATS_TIME, usageCoreNanoSeconds: 0 },
    }],
  });
  assert.ok(text.includes('pod="a\\"b\\\\c\\nd"'));
});
