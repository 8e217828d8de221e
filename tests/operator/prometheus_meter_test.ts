// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { PrometheusMeter } from "../../lib/operator/prometheus_meter.ts";

Deno.test("render() returns counters, gauges and histograms with their labels", async () => {
  const meter = new PrometheusMeter();
  meter.count("calls_total", { labels: { verb: "get" }, by: 2 });
  meter.count("calls_total", { labels: { verb: "get" } });
  meter.set("devices", { value: 7 });
  meter.set("devices", { value: 5 });
  meter.time("sync", { ms: 5 });
  const text = await meter.render();
  assert.match(text, /^calls_total\{verb="get"\} 3$/m);
  assert.match(text, /^devices 5$/m);
  assert.match(text, /^sync_count 1$/m);
  assert.match(text, /^sync_sum 0\.005$/m);
});

Deno.test("count() drops a value whose label names differ from the first one's", async () => {
  const meter = new PrometheusMeter();
  meter.count("one");
  meter.count("one", { labels: { stray: "x" } });
  assert.match(await meter.render(), /^one 1$/m);
});
