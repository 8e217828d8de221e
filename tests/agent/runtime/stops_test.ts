// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  createContainer,
  DockerHttpClient,
  inspectContainer,
  removeContainer,
  startContainer,
} from "../../../lib/agent/docker/mod.ts";
import { Stops } from "../../../lib/agent/runtime/stops.ts";
import { Dockerd, IMAGES } from "../../_support/mod.ts";

const { signal } = new AbortController();
const DEAF = "trap '' TERM; echo ready; while :; do sleep 0.1; done";
const POLITE = "trap 'exit 3' TERM; echo ready; while :; do sleep 0.1; done";

Deno.test("Stops on a real engine", async (test) => {
  await using engine = await Dockerd.start();
  await using client = new DockerHttpClient({
    host: `unix://${engine.socket}`,
  });
  const stops = new Stops(client);

  async function withContainer(
    script: string,
    work: (id: string) => Promise<void>,
  ): Promise<void> {
    const id = await createContainer(client, {
      name: `stop-${crypto.randomUUID()}`,
      config: {
        Image: IMAGES.busybox,
        Cmd: ["sh", "-c", script],
        Labels: {},
        HostConfig: { NetworkMode: "none" },
      },
    });
    await startContainer(client, id);
    // The trap must be set before the signal comes.
    while (!(await engine.run(["logs", id])).includes("ready"));
    await work(id);
    await removeContainer(client, id);
  }
  const codeOf = async (id: string) =>
    (await inspectContainer(client, id)).State.ExitCode;

  await test.step("stop() lets a container end by itself", async () => {
    await withContainer(POLITE, async (id) => {
      await stops.stop(id, { graceMs: 60_000, signal });
      assert.equal(await codeOf(id), 3);
      await stops.stop(id, { graceMs: 60_000, signal });
    });
  });

  await test.step("stop() kills after the grace", async () => {
    await withContainer(DEAF, async (id) => {
      const startMs = performance.now();
      await stops.stop(id, { graceMs: 300, signal });
      assert.ok(performance.now() - startMs >= 300);
      assert.equal(await codeOf(id), 137);
    });
  });

  await test.step("stop() with a smaller grace shortens the one under way, a greater one does not lengthen it", async () => {
    await withContainer(DEAF, async (id) => {
      const first = stops.stop(id, { graceMs: 60_000, signal });
      await stops.stop(id, { graceMs: 0, signal });
      await first;
      assert.equal(await codeOf(id), 137);
    });
    await withContainer(DEAF, async (id) => {
      const first = stops.stop(id, { graceMs: 300, signal });
      await stops.stop(id, { graceMs: 60_000, signal });
      await first;
    });
  });

  await test.step("stop() goes on when its caller leaves", async () => {
    await withContainer(DEAF, async (id) => {
      const caller = new AbortController();
      const left = stops.stop(id, { graceMs: 300, signal: caller.signal });
      caller.abort(new Error("left"));
      await assert.rejects(left, /left/);
      await stops.stop(id, { graceMs: 60_000, signal });
      assert.equal(await codeOf(id), 137);
    });
  });

  await test.step("stop() is content with what isn't there", async () => {
    await stops.stop("absent", { graceMs: 1_000, signal });
    await stops.stop("absent", { graceMs: 0, signal });
  });
});
