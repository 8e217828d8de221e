// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  DockerDialer,
  parseDockerHost,
} from "../../../lib/agent/docker/dial.ts";

Deno.test("parseDockerHost() parses socket paths and TCP addresses", () => {
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

Deno.test("parseDockerHost() throws for other addresses", () => {
  for (
    const host of ["", "/run/docker.sock", "ssh://x", "unix://", "tcp://x:0"]
  ) {
    assert.throws(() => parseDockerHost(host), { code: "invalid" }, host);
  }
});

Deno.test("DockerDialer.dial() names what is wrong with a socket", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const missing = new DockerDialer(`unix://${folder}/none.sock`);
    await assert.rejects(missing.dial(), {
      code: "unavailable",
      message: /no such socket/,
    });
    await Deno.writeTextFile(`${folder}/file`, "");
    const refused = new DockerDialer(`unix://${folder}/file`);
    await assert.rejects(refused.dial(), {
      code: "unavailable",
      message: /connection refused, expected a running engine/,
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("DockerDialer.dial() connects to a socket and to TCP", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/docker.sock`;
    using socket = Deno.listen({ transport: "unix", path });
    (await new DockerDialer(`unix://${path}`).dial()).close();
    (await socket.accept()).close();
    using tcp = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = tcp.addr;
    (await new DockerDialer(`tcp://127.0.0.1:${port}`).dial()).close();
    (await tcp.accept()).close();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
