// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  findHostAddresses,
  type InterfaceAddress,
  isUsable,
  pickHostAddresses,
} from "../../lib/operator/host_address.ts";

function at(name: string, address: string): InterfaceAddress {
  return { name, address, family: address.includes(":") ? "IPv6" : "IPv4" };
}

Deno.test("pickHostAddresses() skips loopback, container bridges and link-local addresses", () => {
  assert.deepEqual(
    pickHostAddresses([
      at("lo", "127.0.0.1"),
      at("docker0", "172.17.0.1"),
      at("cni0", "10.244.0.1"),
      at("eth0", "fe80::1"),
      at("eth0", "fd00::5"),
      at("eth0", "192.0.2.5"),
    ]),
    ["192.0.2.5"],
  );
});

Deno.test("pickHostAddresses() returns an IPv6 address when there is no IPv4 one", () => {
  assert.deepEqual(pickHostAddresses([at("eth0", "fd00::5")]), ["fd00::5"]);
  assert.deepEqual(pickHostAddresses([at("lo", "::1")]), []);
});

Deno.test("isUsable() is false for loopback, link-local and unspecified addresses", () => {
  for (const address of ["127.0.0.1", "::1", "fe80::1", "169.254.1.1", "::"]) {
    assert.equal(isUsable(address), false, address);
  }
  assert.equal(isUsable("10.0.0.1"), true);
});

Deno.test("findHostAddresses() never returns loopback, even for an API server on this host", async () => {
  const found = await findHostAddresses({ server: "https://127.0.0.1:1" });
  assert.equal(found.length, 1);
  assert.ok(isUsable(found[0] ?? ""));
});
