// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  negotiateProtocol,
  PORT_FORWARD_PROTOCOLS,
  REMOTE_COMMAND_PROTOCOLS,
} from "../../../lib/operator/streaming/negotiate.ts";

Deno.test("negotiateProtocol() returns the client's first choice that is supported", () => {
  const chosen = negotiateProtocol(
    "v5.channel.k8s.io, v3.channel.k8s.io,v4.channel.k8s.io",
    REMOTE_COMMAND_PROTOCOLS,
  );
  assert.equal(chosen, "v3.channel.k8s.io");
});

Deno.test("negotiateProtocol() throws when the client names no protocol", () => {
  for (const header of [undefined, "", " , "]) {
    assert.throws(
      () => negotiateProtocol(header, PORT_FORWARD_PROTOCOLS),
      { code: "invalid" },
    );
  }
});

Deno.test("negotiateProtocol() names the protocols of both sides when they share none", () => {
  assert.throws(() => negotiateProtocol("spdy", PORT_FORWARD_PROTOCOLS), {
    code: "forbidden",
    message:
      "unable to upgrade: unable to negotiate protocol: client supports [spdy], server accepts [portforward.k8s.io]",
  });
});
