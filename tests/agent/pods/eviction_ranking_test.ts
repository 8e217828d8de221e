// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  findExceededStorageLimit,
  rankPods,
  toEvictionMessage,
} from "../../../lib/agent/pods/eviction_ranking.ts";
import type { ExceededThreshold } from "../../../lib/agent/runtime/mod.ts";
import type { PodUsage } from "../../../lib/agent/pods/pod_usage.ts";
import { podOf } from "./_support/pods_fixture.ts";

const MIB = 1024 * 1024;

interface UsageInit {
  priority?: number;
  memoryMib?: number;
  diskMib?: number;
  volumesMib?: number;
  inodeCount?: number;
  /** Of memory and of storage. */
  requestMib?: number;
  limitMib?: number;
}

function usageOf(name: string, init: UsageInit = {}): PodUsage {
  const { priority = 0, memoryMib = 0, diskMib = 0, volumesMib = 0 } = init;
  const requestBytes = BigInt((init.requestMib ?? 0) * MIB);
  return {
    spec: podOf({
      uid: name,
      name,
      priority,
      containers: [{
        name: "app",
        resources: {
          memoryRequestBytes: requestBytes,
          storageRequestBytes: requestBytes,
          storageLimitBytes: BigInt((init.limitMib ?? 0) * MIB),
        },
      }],
    }),
    containers: new Map([
      ["app", { memoryBytes: memoryMib * MIB, diskBytes: diskMib * MIB }],
    ]),
    volumesBytes: volumesMib * MIB,
    volumesInodeCount: init.inodeCount ?? 0,
    isMemoryUnknown: false,
    isPulling: false,
  };
}

const threshold = (
  signal: ExceededThreshold["signal"],
): ExceededThreshold => ({
  signal,
  thresholdCount: 100 * MIB,
  availableCount: 98_000 * 1024,
});

function rank(
  pods: PodUsage[],
  signal: ExceededThreshold["signal"],
  { hasOneDisk = true } = {},
): string {
  return rankPods(pods, { threshold: threshold(signal), hasOneDisk })
    .map(({ spec }) => spec.name).join(" ");
}

Deno.test("rankPods() puts pods above their memory request first, then lower priorities, then larger excess", () => {
  const pods = [
    usageOf("below", { memoryMib: 900, requestMib: 1_000 }),
    usageOf("important", { memoryMib: 900, requestMib: 100, priority: 10 }),
    usageOf("small", { memoryMib: 110, requestMib: 100 }),
    usageOf("large", { memoryMib: 300, requestMib: 200 }),
    usageOf("critical", { memoryMib: 5_000, priority: 2_000_001_000 }),
    usageOf("idle", { requestMib: 1_000 }),
  ];
  assert.equal(
    rank(pods, "memory.available"),
    "large small important below idle",
  );
});

Deno.test("rankPods() counts layers, logs and volumes when there is one disk, else what lies on the short one", () => {
  const pods = [
    usageOf("layers", { diskMib: 50 }),
    usageOf("volumes", { volumesMib: 60 }),
    usageOf("both", { diskMib: 40, volumesMib: 40 }),
    usageOf("memory", { memoryMib: 5_000 }),
  ];
  for (const signal of ["nodefs.available", "imagefs.available"] as const) {
    assert.equal(rank(pods, signal), "both volumes layers memory");
  }
  assert.equal(
    rank(pods, "imagefs.available", { hasOneDisk: false }),
    "layers both volumes memory",
  );
  assert.equal(
    rank(pods, "nodefs.available", { hasOneDisk: false }),
    "volumes both layers memory",
  );
});

Deno.test("toEvictionMessage() is that of a kubelet", () => {
  const pod = usageOf("web", { memoryMib: 300, diskMib: 50, requestMib: 100 });
  assert.equal(
    toEvictionMessage(pod, threshold("memory.available")),
    "The node was low on resource: memory. Threshold quantity: 100Mi, available: 98000Ki. " +
      "Container app was using 300Mi, request is 100Mi, has larger consumption of memory. ",
  );
  assert.equal(
    toEvictionMessage(pod, threshold("nodefs.available")),
    "The node was low on resource: ephemeral-storage. Threshold quantity: 100Mi, available: 98000Ki. ",
  );
  assert.equal(
    toEvictionMessage(pod, {
      signal: "imagefs.inodesFree",
      thresholdCount: 2_048,
      availableCount: 7,
    }),
    "The node was low on resource: inodes. Threshold quantity: 2048, available: 7. ",
  );
  assert.doesNotMatch(
    toEvictionMessage(
      usageOf("web", { memoryMib: 100, requestMib: 100 }),
      threshold("memory.available"),
    ),
    /larger consumption/,
  );
  assert.match(
    toEvictionMessage(
      usageOf("web", { diskMib: 50 }),
      threshold("imagefs.available"),
    ),
    /Container app was using 50Mi, request is 0, has larger consumption of ephemeral-storage. $/,
  );
});

Deno.test("findExceededStorageLimit() compares pod and containers with their limits", () => {
  const find = (init: UsageInit) =>
    findExceededStorageLimit(usageOf("web", init));
  assert.equal(find({ diskMib: 100, limitMib: 100 }), undefined);
  assert.equal(find({ diskMib: 100 }), undefined);
  assert.equal(find({ diskMib: 101, limitMib: 100, priority: 2e9 }), undefined);
  assert.equal(
    find({ diskMib: 60, volumesMib: 60, limitMib: 100 }),
    "Pod ephemeral local storage usage exceeds the total limit of containers 100Mi. ",
  );
  const two = usageOf("web", { diskMib: 101, limitMib: 100 });
  two.spec.containers.push(
    ...podOf({
      containers: [{
        name: "other",
        resources: { storageLimitBytes: 1_024n ** 3n },
      }],
    }).containers,
  );
  assert.equal(
    findExceededStorageLimit(two),
    'Container app exceeded its local ephemeral storage limit "100Mi". ',
  );
});

Deno.test("rankPods() puts pods of unknown memory first, under memory pressure only", () => {
  const pods = [
    usageOf("large", { memoryMib: 300, diskMib: 1 }),
    { ...usageOf("unknown", { priority: 10 }), isMemoryUnknown: true },
  ];
  assert.equal(rank(pods, "memory.available"), "unknown large");
  assert.equal(rank(pods, "nodefs.available"), "large unknown");
});

Deno.test("rankPods() puts pods that pull and run nothing first, where images share the disk", () => {
  const pods = [
    usageOf("large", { memoryMib: 300, diskMib: 300 }),
    { ...usageOf("pulling", { priority: 10 }), isPulling: true },
    { ...usageOf("critical", { priority: 2_000_000_000 }), isPulling: true },
  ];
  assert.equal(rank(pods, "imagefs.available"), "pulling large");
  assert.equal(rank(pods, "nodefs.inodesFree"), "pulling large");
  const hasOneDisk = false;
  const nodefs = rank(pods, "nodefs.available", { hasOneDisk });
  assert.equal(nodefs, "large pulling");
  const imagefs = rank(pods, "imagefs.available", { hasOneDisk });
  assert.equal(imagefs, "pulling large");
  assert.equal(rank(pods, "memory.available"), "large pulling");
});

Deno.test("rankPods() counts the inodes of emptyDirs, and estimates those of layers by their bytes", () => {
  const pods = [
    usageOf("large file", { volumesMib: 900, inodeCount: 1 }),
    // An inode for each 16 KiB.
    usageOf("layer", { diskMib: 10 }),
    usageOf("small files", { volumesMib: 4, inodeCount: 1_000 }),
    usageOf("important", { inodeCount: 9_000, priority: 10 }),
  ];
  assert.equal(
    rank(pods, "nodefs.inodesFree", { hasOneDisk: false }),
    "small files large file important layer",
  );
  assert.equal(
    rank(pods, "imagefs.inodesFree"),
    "small files layer large file important",
  );
  assert.equal(
    rank(pods, "nodefs.available"),
    "large file layer small files important",
  );
});
