// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import {
  encodeAnswer,
  errorAnswer,
  statusAnswer,
  textAnswer,
} from "../../../lib/operator/kubelet/exchange.ts";

const OFFLINE = new AranyaError("unavailable", "Cannot exec: it is offline");

Deno.test("errorAnswer() has the error's message and HTTP status", () => {
  const { status, body } = errorAnswer(OFFLINE);
  assert.deepEqual({ status, body }, {
    status: 503,
    body: "Cannot exec: it is offline",
  });
});

Deno.test("statusAnswer() has a Status and the error's HTTP status", () => {
  const { status, contentType, body } = statusAnswer(OFFLINE);
  assert.deepEqual([status, contentType], [503, "application/json"]);
  assert.equal(JSON.parse(body).reason, "ServiceUnavailable");
});

Deno.test("encodeAnswer() counts bytes, not characters, and closes the connection", () => {
  assert.equal(
    encodeAnswer(textAnswer(404, "über")),
    "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\nüber",
  );
});

Deno.test("encodeAnswer() has a reason phrase for every status", () => {
  assert.match(encodeAnswer(textAnswer(499, "")), /^HTTP\/1.1 499 Error\r\n/);
});
