// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  formatEndpoint,
  isEndpoint,
  parseEndpoint,
} from "../../../lib/shared/base/endpoint.ts";
import {
  ENDPOINTS,
  ENDPOINTS_OF_AGENT,
  NO_ENDPOINTS,
} from "./_support/endpoint_texts.ts";

Deno.test("parseEndpoint() parses names and addresses", () => {
  const table = [
    ["edge.example:443", { host: "edge.example", port: 443, kind: "name" }],
    ["localhost:1", { host: "localhost", port: 1, kind: "name" }],
    ["10.0.0.1:65535", { host: "10.0.0.1", port: 65_535, kind: "ipv4" }],
    ["[fd00::1]:9443", { host: "fd00::1", port: 9443, kind: "ipv6" }],
  ] as const;
  for (const [text, endpoint] of table) {
    assert.deepEqual(parseEndpoint(text), endpoint);
    assert.equal(isEndpoint(text), true);
    assert.equal(formatEndpoint(endpoint), text);
  }
});

for (const text of [...ENDPOINTS, ...ENDPOINTS_OF_AGENT]) {
  Deno.test(`isEndpoint() accepts ${JSON.stringify(text)}`, () => {
    assert.equal(isEndpoint(text), true);
  });
}

for (const text of NO_ENDPOINTS) {
  Deno.test(`parseEndpoint() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseEndpoint(text), { code: "invalid" });
    assert.equal(isEndpoint(text), false);
  });
}
