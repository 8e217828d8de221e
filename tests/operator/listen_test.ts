// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError, type ErrorCode } from "../../lib/shared/base/mod.ts";
import { listenOnAllFamilies } from "../../lib/operator/listen.ts";

function failOnce(code: ErrorCode) {
  const hosts: string[] = [];
  const listening = listenOnAllFamilies((host) => {
    hosts.push(host);
    return hosts.length === 1
      ? Promise.reject(new AranyaError(code, "Cannot listen: no such address"))
      : Promise.resolve(host);
  });
  return { hosts, listening };
}

Deno.test("listenOnAllFamilies() listens on IPv4 alone when the kernel has no IPv6", async () => {
  const { hosts, listening } = failOnce("unavailable");
  assert.equal(await listening, "0.0.0.0");
  assert.deepEqual(hosts, ["::", "0.0.0.0"]);
});

Deno.test("listenOnAllFamilies() rejects at once when the port is taken", async () => {
  const { hosts, listening } = failOnce("conflict");
  await assert.rejects(listening, { code: "conflict" });
  assert.deepEqual(hosts, ["::"]);
});
