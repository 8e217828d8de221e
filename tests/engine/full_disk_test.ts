// SPDX-License-Identifier: Apache-2.0
/** A real Docker engine whose disk is really full. */
import assert from "node:assert/strict";
import { SILENT_LOGGER } from "../../lib/shared/base/mod.ts";
import { DEFAULT_EVICTION } from "../../lib/shared/config/mod.ts";
import { DockerHttpClient } from "../../lib/agent/docker/mod.ts";
import { type HostMachine, LocalMachine } from "../../lib/agent/host/mod.ts";
import {
  DockerDeviceReader,
  DockerImageCollector,
  DockerRuntime,
} from "../../lib/agent/runtime/mod.ts";
import { until } from "../../dev/base/wait.ts";
import { Dockerd, IMAGES, Network } from "../../dev/world/mod.ts";
import { podOf, PodsFixture } from "../agent/pods/_support/pods_fixture.ts";

const DISK_MEBIBYTES = 256;
/** A round of eviction every 10 s, and removals on a slow machine. */
const TIMEOUT_MS = 120_000;

const sh = (script: string) => ["sh", "-c", script];

Deno.test("a pod that fills the disk of the engine is evicted, and the disk is free again", async () => {
  await using network = await Network.start();
  const machine = await network.addDevice("engine");
  await using engine = await Dockerd.start({
    machine,
    diskMebibytes: DISK_MEBIBYTES,
  });
  await using client = new DockerHttpClient({
    host: `unix://${engine.socket}`,
  });
  const local = new LocalMachine();
  // The engine's file system is seen through its namespace.
  const seen: Pick<HostMachine, "readUsage" | "measureFiles"> = {
    readUsage: (paths) =>
      local.readUsage(
        paths.map((path) =>
          path.startsWith("/var/lib/docker") ? machine.pathOf(path) : path
        ),
      ),
    measureFiles: (dir) => local.measureFiles(machine.pathOf(dir)),
  };
  const host = Object.assign(new LocalMachine(), seen);
  const runtime = new DockerRuntime({
    client,
    device: "dev",
    log: SILENT_LOGGER,
    machine: host,
  });
  const reader = new DockerDeviceReader({
    log: SILENT_LOGGER,
    client,
    machine: host,
    containers: runtime,
    stateDir: "/",
    eviction: {
      hard: {
        ...DEFAULT_EVICTION.hard,
        "memory.available": { count: 0 },
        "nodefs.available": { count: 0 },
        "nodefs.inodesFree": { count: 0 },
      },
      pressureTransitionPeriodMs: 1_000,
    },
  });
  const images = new DockerImageCollector({
    client,
    machine: host,
    log: SILENT_LOGGER,
  });
  await using pods = await PodsFixture.start({ runtime, reader, images });
  const { signal } = new AbortController();
  const readConditions = async () =>
    (await reader.readPressure(signal)).conditions.join();
  assert.equal(await readConditions(), "");

  const pod = (uid: string, script: string) =>
    podOf({
      uid,
      name: uid,
      containers: [{
        name: "app",
        image: IMAGES.busybox,
        command: sh(script),
      }],
    });
  await pods.podWorkers.apply(pod("u1", "sleep 1000"));
  await pods.waitForStatus("app:running#0");
  await pods.podWorkers.apply(
    pod("u2", "dd if=/dev/zero of=/fill bs=1M; sleep 1000"),
  );
  await until(
    async () => await readConditions() === "DiskPressure",
    { timeoutMs: TIMEOUT_MS },
  );
  const statusOf = (uid: string) => pods.podWorkers.findStatus(uid);
  await until(() => statusOf("u2")?.failureReason === "Evicted", {
    timeoutMs: TIMEOUT_MS,
  });
  assert.match(
    statusOf("u2")?.failureMessage ?? "",
    /^The node was low on resource: ephemeral-storage\. Threshold quantity: \d+\w*, available: \d+\w*\. Container app was using \d+\w*, request is 0, has larger consumption of ephemeral-storage\. $/,
  );
  await until(async () => await readConditions() === "", {
    timeoutMs: TIMEOUT_MS,
  });
  assert.equal(statusOf("u1")?.failureReason, "");
  assert.match(pods.describe("u1"), /^app:running#0/);
  // The device admits new pods again after the next round.
  await until(async () => {
    const uid = crypto.randomUUID();
    if (await pods.podWorkers.apply(pod(uid, "sleep 1000"))) return false;
    await until(() =>
      pods.describe(uid).includes("running#0") ||
      statusOf(uid)?.failureReason === "Evicted"
    );
    const isRunning = pods.describe(uid).includes("running#0");
    await pods.podWorkers.purge(uid);
    return isRunning;
  }, { timeoutMs: TIMEOUT_MS, intervalMs: 1_000 });
});
