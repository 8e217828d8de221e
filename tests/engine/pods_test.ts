// SPDX-License-Identifier: Apache-2.0
/** Pods on a real Docker engine: what the fake engine of the other tests can't prove. */
import assert from "node:assert/strict";
import { SILENT_LOGGER } from "../../lib/shared/base/mod.ts";
import { DockerHttpClient } from "../../lib/agent/docker/mod.ts";
import { DockerRuntime } from "../../lib/agent/runtime/mod.ts";
import { Dockerd, IMAGES } from "../../dev/world/mod.ts";
import { podOf, PodsFixture } from "../agent/pods/_support/pods_fixture.ts";

/** An agent on an engine of its own. */
async function startFixture() {
  const closes = new AsyncDisposableStack();
  const engine = closes.use(await Dockerd.start());
  const client = closes.use(
    new DockerHttpClient({ host: `unix://${engine.socket}` }),
  );
  const runtime = new DockerRuntime({
    client,
    device: "dev",
    log: SILENT_LOGGER,
  });
  const fixture = closes.use(await PodsFixture.start({ runtime }));
  return {
    engine,
    client,
    runtime,
    fixture,
    [Symbol.asyncDispose]: () => closes.disposeAsync(),
  };
}

Deno.test("pods on a real engine", async (test) => {
  await using world = await startFixture();
  const { fixture, runtime } = world;

  await test.step("a container whose command does not exist is started again with growing delays", async () => {
    await fixture.podWorkers.apply(podOf({
      containers: [{
        name: "app",
        image: IMAGES.busybox,
        command: ["absent-command"],
      }],
    }));
    await fixture.waitForStatus("app:waiting:CrashLoopBackOff#1");
    const [pod] = await runtime.listPods();
    assert.deepEqual(
      pod?.containers.map(({ attempt, exitCode }) => [attempt, exitCode]),
      [[1, 128], [0, 128]],
    );
    await fixture.podWorkers.remove({ uid: "u1", graceSeconds: 0 });
    await fixture.waitForStatus("pod:terminated");
    await fixture.podWorkers.purge("u1");
  });
});
