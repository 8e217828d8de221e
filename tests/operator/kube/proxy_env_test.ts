// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { findProxy } from "../../../lib/operator/kube/proxy_env.ts";

const HTTPS_PROXY = "http://proxy:3128";

Deno.test("findProxy() returns HTTPS_PROXY, with http:// when it has no scheme", () => {
  const server = "https://api.example:6443";
  assert.equal(findProxy(server, {}), undefined);
  assert.equal(findProxy(server, { HTTPS_PROXY: "" }), undefined);
  assert.equal(findProxy(server, { HTTPS_PROXY }), HTTPS_PROXY);
  assert.equal(
    findProxy(server, { HTTPS_PROXY: "u:p@proxy:3128" }),
    "http://u:p@proxy:3128",
  );
  for (const invalid of ["socks5://u:secret@proxy", "http://"]) {
    assert.throws(() => findProxy(server, { HTTPS_PROXY: invalid }), {
      code: "invalid",
      message: "Cannot use HTTPS_PROXY: it is not an http or https URL",
    });
  }
});

Deno.test("findProxy() never returns a proxy for this machine", () => {
  for (const host of ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"]) {
    const server = `https://${host}:6443`;
    assert.equal(findProxy(server, { HTTPS_PROXY }), undefined, host);
  }
});

Deno.test("findProxy() obeys NO_PROXY", () => {
  const cases: [server: string, noProxy: string, isDirect: boolean][] = [
    ["https://api.example", "*", true],
    ["https://api.example", "example", true],
    ["https://API.example", "other, Example ", true],
    ["https://example", "example", true],
    ["https://example", ".example", false],
    ["https://api.example", ".example", true],
    ["https://api.example", "*.example", true],
    ["https://myexample", "example", false],
    ["https://api.example:6443", "api.example:6443", true],
    ["https://api.example:6443", "api.example:443", false],
    ["https://api.example", "api.example:443", true],
    ["https://10.96.0.1", "10.96.0.1", true],
    ["https://10.96.0.1", "10.96.0.0/16", true],
    ["https://10.97.0.1", "10.96.0.0/16", false],
    ["https://10.97.0.1", "10.96.0.0/40", false],
    ["https://[fd00::1]:6443", "fd00::1", true],
    ["https://[fd00::1]:6443", "[fd00::1]:6443", true],
    ["https://[fd00::1]:6443", "[fd00::1]:443", false],
    ["https://[fd00::1]", "fd00::/8", true],
    ["https://10.0.0.1", "fd00::/8", false],
    ["https://10.0.0.1", "", false],
  ];
  for (const [server, NO_PROXY, isDirect] of cases) {
    assert.equal(
      findProxy(server, { HTTPS_PROXY, NO_PROXY }) === undefined,
      isDirect,
      `${server} with NO_PROXY=${NO_PROXY}`,
    );
  }
});
