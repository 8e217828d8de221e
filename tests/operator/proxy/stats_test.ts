// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SummaryMaker } from "../../../lib/operator/proxy/stats.ts";
import {
  ContainerStatsSchema,
  create,
  type Stats,
  StatsSchema,
} from "../../../lib/shared/wire/mod.ts";

const START_MS = Date.UTC(2026, 0, 2, 3, 4, 5);

function makeStats(
  { seconds, cpuSeconds }: { seconds: number; cpuSeconds: number },
): Stats {
  const container = (container: string, cpu: number) =>
    create(ContainerStatsSchema, {
      podUid: container === "old" ? "u-9" : "u-1",
      container,
      cpuTotalNanos: BigInt(cpu * 1e9),
      memoryWorkingSetBytes: 100n,
      memoryRssBytes: 50n,
      startedUnixMs: BigInt(START_MS - cpu),
      networkRxBytes: 7n,
      networkTxBytes: 8n,
    });
  return create(StatsSchema, {
    timeUnixMs: BigInt(START_MS + seconds * 1000),
    cpuTotalNanos: BigInt(cpuSeconds * 1e9),
    memoryWorkingSetBytes: 1000n,
    memoryAvailableBytes: 3000n,
    storageUsedBytes: 10n,
    storageCapacityBytes: 40n,
    bootTimeUnixMs: BigInt(START_MS - 60_000),
    containers: [
      container("app", cpuSeconds),
      container("side", 2 * cpuSeconds),
      container("old", 1),
    ],
  });
}

function makeMaker() {
  return new SummaryMaker({
    nodeName: "edge-1",
    pods: {
      nameOf: (uid) =>
        uid === "u-1" ? { namespace: "default", name: "web" } : undefined,
    },
  });
}

Deno.test("SummaryMaker.summarize() contains the node, known pods and their containers", () => {
  const summary = makeMaker().summarize(
    makeStats({ seconds: 0, cpuSeconds: 5 }),
  );
  assert.deepEqual(summary.node, {
    nodeName: "edge-1",
    startTime: "2026-01-02T03:03:05.000Z",
    cpu: { time: "2026-01-02T03:04:05.000Z", usageCoreNanoSeconds: 5e9 },
    memory: {
      time: "2026-01-02T03:04:05.000Z",
      availableBytes: 3000,
      workingSetBytes: 1000,
    },
    fs: {
      time: "2026-01-02T03:04:05.000Z",
      capacityBytes: 40,
      usedBytes: 10,
      availableBytes: 30,
    },
  });
  assert.deepEqual(summary.pods.map(({ podRef }) => podRef), [
    { name: "web", namespace: "default", uid: "u-1" },
  ]);
  const [pod] = summary.pods;
  assert.equal(pod?.startTime, "2026-01-02T03:04:04.990Z");
  assert.deepEqual(pod?.containers.map(({ name }) => name), ["app", "side"]);
  assert.equal(pod?.cpu?.usageCoreNanoSeconds, 15e9);
  assert.equal(pod?.memory?.workingSetBytes, 200);
  assert.equal(pod?.network?.txBytes, 8);
});

Deno.test("SummaryMaker.summarize() contains rates from the second reading on", () => {
  const maker = makeMaker();
  maker.summarize(makeStats({ seconds: 0, cpuSeconds: 5 }));
  const { node, pods } = maker.summarize(
    makeStats({ seconds: 10, cpuSeconds: 10 }),
  );
  assert.equal(node.cpu?.usageNanoCores, 5e8);
  assert.equal(pods[0]?.cpu?.usageNanoCores, 15e8);
  assert.equal(pods[0]?.containers[1]?.cpu?.usageNanoCores, 1e9);
});

Deno.test("SummaryMaker.summarize() contains no rate when a counter decreased or no time passed", () => {
  const maker = makeMaker();
  maker.summarize(makeStats({ seconds: 10, cpuSeconds: 10 }));
  const fell = maker.summarize(makeStats({ seconds: 20, cpuSeconds: 1 }));
  assert.equal(fell.node.cpu?.usageNanoCores, undefined);
  const still = maker.summarize(makeStats({ seconds: 20, cpuSeconds: 2 }));
  assert.equal(still.pods[0]?.cpu?.usageNanoCores, undefined);
});
