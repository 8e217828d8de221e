// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { servePages } from "../../lib/operator/pages.ts";
import { PrometheusMeter } from "../../lib/operator/prometheus_meter.ts";
import { until } from "../../dev/base/wait.ts";
import { VirtualClock } from "../shared/session/_support/virtual_clock.ts";

async function serve(notReadyReason?: string) {
  const meter = new PrometheusMeter();
  const clock = new VirtualClock();
  let updateCount = 0;
  const pages = await servePages({
    port: 0,
    clock,
    meter,
    status: {
      notReadyReason,
      activity: "leading",
      updateGauges: () => meter.set("fresh", { value: ++updateCount }),
    },
  });
  return { meter, clock, pages, updateCount: () => updateCount };
}

async function get(port: number, path: string, init: RequestInit = {}) {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, init);
  return { status: response.status, body: await response.text() };
}

Deno.test("servePages() serves health, readiness and metrics, and nothing else", async () => {
  const { meter, pages } = await serve();
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

Deno.test("servePages() listens on both address families", async () => {
  const { pages } = await serve();
  await using _ = pages;
  for (const host of ["127.0.0.1", "[::1]"]) {
    const response = await fetch(`http://${host}:${pages.port}/healthz`);
    assert.equal(await response.text(), "ok\n", host);
  }
});

Deno.test("servePages() answers /readyz with 503 and the reason while the operator is not ready", async () => {
  const { pages } = await serve("the API server is away");
  await using _ = pages;
  assert.deepEqual(await get(pages.port, "/readyz"), {
    status: 503,
    body: "not ready: the API server is away\n",
  });
});

Deno.test("servePages() rejects with the name of the flag when its port is taken", async () => {
  const { pages } = await serve();
  await using _ = pages;
  await assert.rejects(
    servePages({
      port: pages.port,
      meter: new PrometheusMeter(),
      status: {
        notReadyReason: undefined,
        activity: "leading",
        updateGauges() {},
      },
    }),
    {
      code: "conflict",
      message:
        `Cannot listen on port ${pages.port} for /healthz: the port is taken, expected another --http-port`,
    },
  );
});

Deno.test("servePages() renders metrics once for many requests at a time, and closes connections", async () => {
  const { pages, updateCount } = await serve();
  await using _ = pages;
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => get(pages.port, "/metrics")),
  );
  assert.ok(answers.every(({ body }) => /^fresh 1$/m.test(body)));
  assert.equal(updateCount(), 1);
  const { headers, body } = await fetch(
    `http://127.0.0.1:${pages.port}/metrics?x=1`,
    { method: "HEAD" },
  );
  await body?.cancel();
  assert.equal(headers.get("connection"), "close");
});

Deno.test("servePages() renders metrics again after a second", async () => {
  const { clock, pages } = await serve();
  await using _ = pages;
  await get(pages.port, "/metrics");
  clock.jump(1000);
  assert.match((await get(pages.port, "/metrics")).body, /^fresh 2$/m);
});

Deno.test("servePages() closes the oldest connections when there are too many", async () => {
  const { pages } = await serve();
  await using _ = pages;
  const closed: number[] = [];
  const sockets = await Promise.all(
    Array.from({ length: 64 }, async (_, index) => {
      const socket = await Deno.connect({ port: pages.port });
      void socket.read(new Uint8Array(1)).catch(() => null).then(() =>
        closed.push(index)
      );
      return socket;
    }),
  );
  // All of one network: the place of the oldest connection is free after two seconds.
  const deadlineMs = performance.now() + 20_000;
  let answer: Awaited<ReturnType<typeof get>> | undefined;
  while (!answer && performance.now() < deadlineMs) {
    answer = await get(pages.port, "/healthz").catch(() => undefined);
  }
  assert.equal(answer?.status, 200);
  await until(() => closed.length > 0, "a connection that was closed");
  assert.deepEqual(closed, [0]);
  for (const socket of sockets) socket.close();
});
