// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
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
    isReused: false,
    action: "Cannot get info",
    timeoutMs: 10_000,
    signal,
  });
  return { exchange, closes: () => closes };
}

Deno.test("Exchange.abort() closes the connection and fails pending work with its first reason", async () => {
  const { exchange, closes } = open();
  exchange.abort(new Error("why"));
  exchange.abort(new Error("later"));
  assert.equal(closes(), 1);
  await assert.rejects(
    exchange.translateErrors(Promise.reject(new Error("x"))),
    /why/,
  );
});

Deno.test("Exchange.releaseConnection() keeps the connection open when the signal is aborted", () => {
  const controller = new AbortController();
  const { exchange, closes } = open(controller.signal);
  assert.equal(exchange.releaseConnection(), true);
  controller.abort();
  exchange.close();
  assert.equal(closes(), 0);
});

Deno.test("Exchange.releaseConnection() returns false when the exchange was aborted before", () => {
  const { exchange } = open();
  exchange.abort(new Error("why"));
  assert.equal(exchange.releaseConnection(), false);
});

Deno.test("Exchange is aborted at once by a signal that is aborted already", async () => {
  const { exchange, closes } = open(AbortSignal.abort(new Error("why")));
  assert.equal(exchange.isAborted, true);
  assert.equal(closes(), 1);
  const work = exchange.translateErrors(Promise.reject(new Error("x")));
  await assert.rejects(work, /why/);
});

Deno.test("Exchange.translateErrors() keeps own errors and wraps others as unavailable", async () => {
  const { exchange } = open();
  using _closing = { [Symbol.dispose]: () => exchange.close() };
  const own = new AranyaError("not_found", "Cannot get info: no such file");
  await assert.rejects(exchange.translateErrors(Promise.reject(own)), own);
  await assert.rejects(
    exchange.translateErrors(Promise.reject(new Error("x"))),
    { code: "unavailable", message: /^Cannot get info: .*\(x\)$/ },
  );
});

Deno.test("Exchange.replaceConnection() closes the old connection, and the new one when it was aborted", () => {
  const [first, second] = [open(), open()];
  const { exchange } = first;
  exchange.replaceConnection(second.exchange.connection);
  assert.equal(first.closes(), 1);
  assert.equal(second.closes(), 0);
  exchange.abort(new Error("why"));
  assert.equal(second.closes(), 1);
  const third = open();
  exchange.replaceConnection(third.exchange.connection);
  assert.equal(third.closes(), 1);
  second.exchange.close();
  third.exchange.close();
});
