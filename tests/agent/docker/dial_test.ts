// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { dialerOf, parseDockerHost } from "../../../lib/agent/docker/dial.ts";

Deno.test("parseDockerHost() reads sockets and TCP addresses", () => {
  assert.deepEqual(parseDockerHost("unix:///var/run/docker.sock"), {
    transport: "unix",
    path: "/var/run/docker.sock",
  });
  assert.deepEqual(parseDockerHost("tcp://engine"), {
    transport: "tcp",
    hostname: "engine",
    port: 2375,
  });
  assert.deepEqual(parseDockerHost("tcp://[fd00::2]:2376/"), {
    transport: "tcp",
    hostname: "fd00::2",
    port: 2376,
  });
});

Deno.test("parseDockerHost() refuses other addresses", () => {
  for (
    const host of ["", "/run/docker.sock", "ssh://x", "unix://", "tcp://x:0"]
  ) {
    assert.throws(() => parseDockerHost(host), { code: "invalid" }, host);
  }
});

Deno.test("dialerOf() says what is wrong with a socket", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const missing = dialerOf(`unix://${folder}/none.sock`);
    await assert.rejects(missing, /the socket does not exist/);
    await Deno.writeTextFile(`${folder}/file`, "");
    const refused = dialerOf(`unix://${folder}/file`);
    await assert.rejects(refused, {
      code: "unavailable",
      message: /nobody listens there, expected a running engine/,
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
