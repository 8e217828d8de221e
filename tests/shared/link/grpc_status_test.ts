// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { toDialError } from "../../../lib/shared/link/grpc_status.ts";

Deno.test("toDialError() translates a status into code and text", () => {
  const table: [number, string, string, string][] = [
    [
      14,
      "Last error: connect ECONNREFUSED 1.2.3.4:5",
      "unavailable",
      "connection refused",
    ],
    [
      14,
      "Name resolution failed for target dns:x:1",
      "unavailable",
      "the host name can't be resolved",
    ],
    [14, "connect EHOSTUNREACH", "unavailable", "no route to host"],
    [14, "connect ETIMEDOUT", "unavailable", "connection timed out"],
    [14, "read ECONNRESET", "unavailable", "the connection was lost"],
    [14, "something\n new", "unavailable", "something new"],
    [14, "", "unavailable", "gRPC status 14"],
    [
      12,
      "unknown method",
      "unavailable",
      "the server is not an aranya operator",
    ],
    [16, "who?", "unauthorized", "who?"],
    [7, "no", "forbidden", "no"],
    [4, "late", "timed_out", "late"],
    [0, "OK", "unavailable", "the server closed the call at once"],
  ];
  for (const [code, details, expected, text] of table) {
    const error = toDialError({ code, details }, "Cannot connect to a:1");
    assert.equal(error.code, expected, details);
    assert.equal(error.message, `Cannot connect to a:1: ${text}`);
  }
});
