// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  createContainer,
  DockerHttpClient,
  readSystemInfo,
  removeContainer,
  startContainer,
  watchEvents,
} from "../../../lib/agent/docker/mod.ts";
import { Dockerd, IMAGES } from "../../../dev/world/mod.ts";

const LABEL = "aranya-test";

Deno.test("engine calls on a real engine", async (test) => {
  await using engine = await Dockerd.start();
  await using client = new DockerHttpClient({
    host: `unix://${engine.socket}`,
  });

  await test.step("readSystemInfo() returns the engine's version and root directory", async () => {
    const info = await readSystemInfo(client);
    assert.match(info.ServerVersion, /^\d+\.\d+/);
    assert.match(info.DockerRootDir, /^\//);
  });

  await test.step("watchEvents() yields starts and ends until the signal", async () => {
    const stop = new AbortController();
    const events = await watchEvents(client, {
      label: LABEL,
      actions: ["start", "die"],
      signal: stop.signal,
    });
    const id = await createContainer(client, {
      name: "watched",
      config: {
        Image: IMAGES.busybox,
        Cmd: ["sh", "-c", "exit 3"],
        Labels: { [LABEL]: "1" },
        HostConfig: { NetworkMode: "none" },
      },
    });
    await startContainer(client, id);
    const received: string[] = [];
    try {
      for await (const { Action, Actor } of events) {
        received.push(`${Action} ${Actor.Attributes["exitCode"] ?? ""}`);
        if (received.length === 2) stop.abort();
      }
    } catch (error) {
      assert.equal(error, stop.signal.reason);
    }
    assert.deepEqual(received, ["start ", "die 3"]);
    await removeContainer(client, id);
  });
});
