// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { servePages } from "../../lib/operator/pages.ts";
import { PrometheusMeter } from "../../lib/operator/prometheus_meter.ts";

function serve(notReadyReason?: string) {
  const meter = new PrometheusMeter();
  const pages = servePages({
    port: 0,
    meter,
    status: {
      notReadyReason,
      activity: "leading",
      updateGauges: () => meter.set("fresh", { value: 1 }),
    },
  });
  return { meter, pages };
}

async function get(port: number, path: string, init: RequestInit = {}) {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, init);
  return { status: response.status, body: await response.text() };
}

Deno.test("servePages() serves health, readiness and metrics, and nothing else", async () => {
  const { meter, pages } = serve();
  await using _ = pages;
  meter.count("calls_total", { labels: { verb: "get" }, by: 2 });
  assert.equal((await get(pages.port, "/healthz")).body, "ok\n");
  assert.equal((await get(pages.port, "/readyz")).body, "ok\nleading\n");
  const { body } = await get(pages.port, "/metrics");
  assert.match(body, /^calls_total\{verb="get"\} 2$/m);
  assert.match(body, /^fresh 1$/m);
  assert.equal((await get(pages.port, "/")).status, 404);
  assert.equal(
    (await get(pages.port, "/healthz", { method: "DELETE" })).status,
    405,
  );
});

Deno.test("servePages() answers /readyz with 503 and the reason while the operator is not ready", async () => {
  const { pages } = serve("the API server is away");
  await using _ = pages;
  assert.deepEqual(await get(pages.port, "/readyz"), {
    status: 503,
    body: "not ready: the API server is away\n",
  });
});

Deno.test("servePages() rejects with the name of the flag when its port is taken", async () => {
  const { pages } = serve();
  await using _ = pages;
  assert.throws(
    () =>
      servePages({
        port: pages.port,
        meter: new PrometheusMeter(),
        status: {
          notReadyReason: undefined,
          activity: "leading",
          updateGauges() {},
        },
      }),
    { code: "conflict", message: /--http-port/ },
  );
});
