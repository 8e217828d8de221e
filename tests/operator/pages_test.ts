// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createPageMeter, servePages } from "../../lib/operator/pages.ts";

function serve(notReady?: string) {
  const meter = createPageMeter();
  const pages = servePages({
    port: 0,
    meter,
    state: {
      notReady: () => notReady,
      doing: () => "leading",
      refresh: () => meter.set("fresh", { value: 1 }),
    },
  });
  return { meter, pages };
}

async function get(port: number, path: string, init: RequestInit = {}) {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, init);
  return { status: response.status, body: await response.text() };
}

Deno.test("servePages() answers health, readiness and figures, and nothing else", async () => {
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

Deno.test("servePages() says why it is not ready", async () => {
  const { pages } = serve("the API server is away");
  await using _ = pages;
  assert.deepEqual(await get(pages.port, "/readyz"), {
    status: 503,
    body: "not ready: the API server is away\n",
  });
});

Deno.test("servePages() names the flag when its port is taken", async () => {
  const { pages } = serve();
  await using _ = pages;
  assert.throws(
    () =>
      servePages({
        port: pages.port,
        meter: createPageMeter(),
        state: { notReady: () => undefined, doing: () => "", refresh() {} },
      }),
    { code: "conflict", message: /--http-port/ },
  );
});

Deno.test("createPageMeter() drops a figure that does not fit its name", async () => {
  const meter = createPageMeter();
  meter.count("one");
  meter.count("one", { labels: { stray: "x" } });
  meter.time("two", { ms: 5 });
  const text = await meter.render();
  assert.match(text, /^one 1$/m);
  assert.match(text, /^two_count 1$/m);
});
