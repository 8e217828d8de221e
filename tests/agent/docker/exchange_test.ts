// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { Exchange } from "../../../lib/agent/docker/exchange.ts";
import { HttpConnection } from "../../../lib/agent/docker/http.ts";

function open(signal?: AbortSignal) {
  let closes = 0;
  const connection = new HttpConnection({
    read: () => Promise.resolve(null),
    write: (chunk) => Promise.resolve(chunk.length),
    closeWrite: () => Promise.resolve(),
    close: () => void closes++,
  });
  const exchange = new Exchange({
    connection,
    reused: false,
    action: "Cannot ask",
    timeoutMs: 10_000,
    signal,
  });
  return { exchange, closes: () => closes };
}

Deno.test("kill() closes the connection and gives its reason to readers", async () => {
  const { exchange, closes } = open();
  exchange.kill(new Error("why"));
  exchange.kill(new Error("later"));
  assert.equal(closes(), 1);
  await assert.rejects(exchange.guard(Promise.reject(new Error("x"))), /why/);
});

Deno.test("release() keeps the connection open whatever happens to the signal", () => {
  const controller = new AbortController();
  const { exchange, closes } = open(controller.signal);
  assert.equal(exchange.release(), true);
  controller.abort();
  exchange.close();
  assert.equal(closes(), 0);
});

Deno.test("release() refuses when the exchange was ended before", () => {
  const { exchange } = open();
  exchange.kill(new Error("why"));
  assert.equal(exchange.release(), false);
});
