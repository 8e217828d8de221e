// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import {
  toCommandStatus,
  toErrorStatus,
} from "../../../lib/operator/streaming/status.ts";

Deno.test("toCommandStatus() returns Success for exit code 0", () => {
  assert.deepEqual(toCommandStatus({ code: 0 }), {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
  });
});

Deno.test("toCommandStatus() returns any other exit code as a cause", () => {
  assert.deepEqual(toCommandStatus({ code: 137 }), {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: "command terminated with non-zero exit code: exit status 137",
    reason: "NonZeroExitCode",
    details: { causes: [{ reason: "ExitCode", message: "137" }] },
  });
});

Deno.test("toCommandStatus() limits exit codes to 8 bits, and never to 0 for a failure", () => {
  const exitCodeOf = (code: number) =>
    toCommandStatus({ code }).details?.causes[0]?.message;
  assert.deepEqual([256, -1, 259].map(exitCodeOf), ["255", "255", "3"]);
});

Deno.test("toCommandStatus() returns the message when a command could not run", () => {
  const end = { code: 128, reason: "StartError", message: "no such file" };
  const { status, reason, message, code } = toCommandStatus(end);
  assert.deepEqual({ status, reason, message, code }, {
    status: "Failure",
    reason: "InternalError",
    message: "no such file",
    code: 500,
  });
});

Deno.test("toErrorStatus() maps the code to HTTP status and reason", () => {
  const error = new AranyaError("unavailable", "Cannot exec: it is offline");
  assert.deepEqual(toErrorStatus(error), {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: "Cannot exec: it is offline",
    reason: "ServiceUnavailable",
    code: 503,
  });
});

Deno.test("toErrorStatus() has no reason when Kubernetes has none for the code", () => {
  const status = toErrorStatus(new AranyaError("unsupported", "Cannot"));
  assert.equal("reason" in status, false);
});
