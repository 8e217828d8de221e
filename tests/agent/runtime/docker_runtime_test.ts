// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import { DockerHttpClient } from "../../../lib/agent/docker/mod.ts";
import { DockerRuntime } from "../../../lib/agent/runtime/mod.ts";
import { Dockerd, IMAGES } from "../../../dev/world/mod.ts";
import { FakeClient } from "../host/_support/fake_client.ts";
import {
  containerRequest,
  POD_UID,
  sandboxRequest,
} from "./_support/requests.ts";

const { signal } = new AbortController();

Deno.test("DockerRuntime on a real engine", async (test) => {
  await using engine = await Dockerd.start();
  await using client = new DockerHttpClient({
    host: `unix://${engine.socket}`,
  });
  const runtime = new DockerRuntime({
    client,
    device: "dev",
    log: SILENT_LOGGER,
  });

  const toRequest = (image: string) => ({
    image,
    policy: "never" as const,
    credentials: [],
  });
  const { imageId, pulled } = await runtime.ensureImage(
    toRequest(IMAGES.busybox),
    signal,
  );

  await test.step("ensureImage() doesn't pull an image that is on the engine, or must not be pulled", async () => {
    assert.equal(pulled, false);
    await assert.rejects(runtime.ensureImage(toRequest("absent:1"), signal), {
      code: "not_found",
      message:
        'Cannot use image "absent:1": it is not on the device and its pull policy is Never',
    });
  });

  await runtime.ensureSandbox(sandboxRequest(), signal);
  const containerId = await runtime.startContainer(
    containerRequest({ name: "app", image: IMAGES.busybox }, {
      imageId,
      command: ["sleep", "1000"],
    }),
    signal,
  );

  await test.step("readStats() returns the usage of running containers", async () => {
    const [stats, ...others] = await runtime.readStats();
    assert.deepEqual(others, []);
    assert.equal(stats?.podUid, POD_UID);
    assert.equal(stats?.container, "app");
    assert.ok(stats && stats.memoryWorkingSetBytes > 0n);
  });

  await test.step("exec() runs a command in a container", async () => {
    const kubectl = new FakeClient();
    const status = await runtime.exec({
      target: { kind: "container", containerId, podUid: POD_UID },
      command: ["echo", "hello"],
      stdin: false,
      stdout: true,
      stderr: true,
      tty: false,
    }, kubectl.io);
    assert.deepEqual(status, { code: 0 });
    assert.equal(kubectl.stdout, "hello\n");
  });

  await runtime.removeSandbox(POD_UID);
});
