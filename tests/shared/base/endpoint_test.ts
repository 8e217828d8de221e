// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  formatEndpoint,
  isEndpoint,
  parseEndpoint,
} from "../../../lib/shared/base/endpoint.ts";

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

Deno.test("parseEndpoint() rejects everything else", () => {
  const texts = [
    "",
    "edge",
    "edge:",
    "edge:0",
    "edge:65536",
    ":443",
    "fd00::1:443",
    "[edge]:443",
    "[10.0.0.1]:443",
    "10.0.0.256:443",
    "https://edge:443",
    "user@edge:443",
    "e dge:443",
    "edge:443/",
  ];
  for (const text of texts) {
    assert.throws(() => parseEndpoint(text), { code: "invalid" }, text);
    assert.equal(isEndpoint(text), false, text);
  }
});
