// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  createContainer,
  DockerHttpClient,
  inspectContainer,
  removeContainer,
  startContainer,
} from "../../../lib/agent/docker/mod.ts";
import { StopRequests } from "../../../lib/agent/runtime/stop_requests.ts";
import { Dockerd, IMAGES } from "../../../dev/world/mod.ts";

const { signal } = new AbortController();
const IGNORES_TERM = "trap '' TERM; echo ready; while :; do sleep 0.1; done";
const EXITS_AT_TERM =
  "trap 'exit 3' TERM; echo ready; while :; do sleep 0.1; done";

Deno.test("StopRequests on a real engine", async (test) => {
  await using engine = await Dockerd.start();
  await using client = new DockerHttpClient({
    host: `unix://${engine.socket}`,
  });
  const stops = new StopRequests(client);

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
    // The trap must be set before the signal is sent.
    while (!(await engine.run(["logs", id])).includes("ready"));
    await work(id);
    await removeContainer(client, id);
  }
  const codeOf = async (id: string) =>
    (await inspectContainer(client, id)).State.ExitCode;

  await test.step("stop() lets a container exit within its grace period", async () => {
    await withContainer(EXITS_AT_TERM, async (id) => {
      await stops.stop(id, { graceMs: 60_000, signal });
      assert.equal(await codeOf(id), 3);
      await stops.stop(id, { graceMs: 60_000, signal });
    });
  });

  await test.step("stop() kills after the grace period", async () => {
    await withContainer(IGNORES_TERM, async (id) => {
      const startMs = performance.now();
      await stops.stop(id, { graceMs: 300, signal });
      assert.ok(performance.now() - startMs >= 300);
      assert.equal(await codeOf(id), 137);
    });
  });

  await test.step("stop() shortens the grace period of an earlier call, and never extends it", async () => {
    await withContainer(IGNORES_TERM, async (id) => {
      const first = stops.stop(id, { graceMs: 60_000, signal });
      await stops.stop(id, { graceMs: 0, signal });
      await first;
      assert.equal(await codeOf(id), 137);
    });
    await withContainer(IGNORES_TERM, async (id) => {
      const first = stops.stop(id, { graceMs: 300, signal });
      await stops.stop(id, { graceMs: 60_000, signal });
      await first;
    });
  });

  await test.step("stop() continues when a caller stops waiting", async () => {
    await withContainer(IGNORES_TERM, async (id) => {
      const caller = new AbortController();
      const aborted = stops.stop(id, { graceMs: 300, signal: caller.signal });
      caller.abort(new Error("aborted"));
      await assert.rejects(aborted, /aborted/);
      await stops.stop(id, { graceMs: 60_000, signal });
      assert.equal(await codeOf(id), 137);
    });
  });

  await test.step("stop() does nothing when the container doesn't exist", async () => {
    await stops.stop("absent", { graceMs: 1_000, signal });
    await stops.stop("absent", { graceMs: 0, signal });
  });
});
