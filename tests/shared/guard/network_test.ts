// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { toNetwork } from "../../../lib/shared/guard/mod.ts";

Deno.test("toNetwork() returns an IPv4 address or the /64 network of an IPv6 address", () => {
  const table = {
    "10.0.0.7:51234": "10.0.0.7",
    "::ffff:10.0.0.7:51234": "10.0.0.7",
    "2001:db8:1:2:3:4:5:6:443": "2001:db8:1:2",
    "2001:db8:1:2:ffff::6:443": "2001:db8:1:2",
    "2001:db8::6:443": "2001:db8:0:0",
    "[fe80::1]:443": "fe80:0:0:0",
    "::1:443": "0:0:0:0",
    "broker": "broker",
  };
  for (const [peer, network] of Object.entries(table)) {
    assert.equal(toNetwork(peer), network, peer);
  }
});
