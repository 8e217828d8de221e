// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  createContainer,
  createExec,
  demux,
  DockerHttpClient,
  inspectExec,
  removeContainer,
  startContainer,
  startExec,
} from "../../../lib/agent/docker/mod.ts";
import { Dockerd, IMAGES } from "../../../dev/world/mod.ts";

Deno.test("inspectExec() returns the exit code of a command, 126 when it can't be found", async () => {
  await using engine = await Dockerd.start();
  await using client = new DockerHttpClient({
    host: `unix://${engine.socket}`,
  });
  const containerId = await createContainer(client, {
    name: "exec-test",
    config: {
      Image: IMAGES.busybox,
      Cmd: ["sleep", "100"],
      Labels: {},
      HostConfig: { NetworkMode: "none" },
    },
  });
  const exec = {
    containerId,
    stdin: false,
    stdout: true,
    stderr: true,
    tty: false,
  };
  await assert.rejects(
    createExec(client, { ...exec, command: ["true"] }),
    { code: "conflict", message: /is not running/ },
  );
  await startContainer(client, containerId);
  const cases: [string[], number][] = [
    [["sh", "-c", "kill -TERM $$"], 143],
    [["absent"], 126],
  ];
  for (const [command, code] of cases) {
    const id = await createExec(client, { ...exec, command });
    const socket = await startExec(client, { id, tty: false });
    await Array.fromAsync(demux(socket.output));
    socket.close();
    assert.equal((await inspectExec(client, id)).ExitCode, code);
  }
  await removeContainer(client, containerId);
});
