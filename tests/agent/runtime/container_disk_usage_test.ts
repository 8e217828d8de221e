// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { Dockerd, IMAGES } from "../../../dev/world/mod.ts";
import { DockerHttpClient } from "../../../lib/agent/docker/mod.ts";
import { LocalMachine } from "../../../lib/agent/host/mod.ts";
import { readContainerDiskUsage } from "../../../lib/agent/runtime/container_disk_usage.ts";
import {
  toContainerLabels,
  toSandboxLabels,
} from "../../../lib/agent/runtime/labels.ts";
import { containerRequest, POD_UID } from "./_support/requests.ts";

const MEBIBYTE = 1024 * 1024;

Deno.test("readContainerDiskUsage() on a real engine counts what a container wrote and logged", async () => {
  await using engine = await Dockerd.start();
  await using client = new DockerHttpClient({
    host: `unix://${engine.socket}`,
  });
  const run = async (labels: Record<string, string>, script: string) => {
    const flags = Object.entries(labels).flatMap(([name, value]) => [
      "--label",
      `${name}=${value}`,
    ]);
    await engine.run(["run", ...flags, IMAGES.busybox, "sh", "-c", script]);
  };
  const request = containerRequest({ name: "app" });
  await run(
    toContainerLabels("edge-1", request),
    "dd if=/dev/zero of=/big bs=1M count=3; yes x | head -c 1000000",
  );
  await run(toContainerLabels("other", request), "true");
  await run(
    toSandboxLabels({
      device: "edge-1",
      podUid: POD_UID,
      namespace: "default",
      name: "web",
    }),
    "true",
  );
  const usages = await readContainerDiskUsage({
    client,
    machine: {
      measureFiles: (dir) =>
        new LocalMachine().measureFiles(engine.machine.pathOf(dir)),
    },
    device: "edge-1",
  });
  assert.equal(usages.length, 1);
  assert.equal(usages[0]?.podUid, POD_UID);
  assert.equal(usages[0]?.container, "app");
  const usedBytes = usages[0]?.usedBytes ?? 0;
  assert.ok(usedBytes > 3.9 * MEBIBYTE, String(usedBytes));
});
