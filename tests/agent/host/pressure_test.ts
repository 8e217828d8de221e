// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { DiskUsage, HostFacts } from "../../../lib/agent/host/facts.ts";
import {
  DEFAULT_EVICTION,
  type EvictionSettings,
} from "../../../lib/shared/config/mod.ts";
import {
  type PressureInput,
  PressureMonitor,
} from "../../../lib/agent/host/pressure.ts";

const GIB = 1024 ** 3;
const MINUTE_MS = 60_000;

function input(
  changes: Partial<HostFacts> & {
    free?: number;
    freeInodes?: number;
    nowMs?: number;
  } = {},
): PressureInput {
  const { free = 0.5, freeInodes = 500, nowMs = 0, ...host } = changes;
  return {
    host: {
      memoryBytes: 4 * GIB,
      memoryAvailableBytes: 2 * GIB,
      threadCount: 200,
      threadLimit: 32_768,
      ...host,
    } as HostFacts,
    stateDisk: undefined,
    engineDisk: {
      capacityBytes: 100,
      availableBytes: 100 * free,
      usedBytes: 0,
      inodeCount: 1_000,
      freeInodeCount: freeInodes,
      deviceId: 1,
    },
    nowMs,
  };
}

const newMonitor = () => new PressureMonitor(DEFAULT_EVICTION);

const findPressures = (monitor: PressureMonitor, measured: PressureInput) => {
  monitor.update(measured);
  return monitor.conditions.filter(({ status }) => status).map(({ type }) =>
    type
  );
};

Deno.test("PressureMonitor.update() finds no pressure on an idle machine", () => {
  assert.deepEqual(findPressures(newMonitor(), input()), []);
});

Deno.test("PressureMonitor.update() applies the kubelet's thresholds", () => {
  const cases: [PressureInput, string[]][] = [
    [input({ memoryAvailableBytes: 99 * 1024 ** 2 }), ["MemoryPressure"]],
    // A small device: a tenth of its memory.
    [input({ memoryBytes: GIB / 4, memoryAvailableBytes: GIB / 32 }), []],
    [input({ free: 0.14 }), ["DiskPressure"]],
    [input({ free: 0.16 }), []],
    [input({ freeInodes: 49 }), ["DiskPressure"]],
    [input({ freeInodes: 50 }), []],
    [input({ threadCount: 30_000 }), ["PIDPressure"]],
    [input({ threadCount: 30_000, threadLimit: 0 }), []],
  ];
  for (const [measured, expected] of cases) {
    assert.deepEqual(findPressures(newMonitor(), measured), expected);
  }
});

Deno.test("PressureMonitor.update() keeps a condition true for five minutes after the last pressure", () => {
  const monitor = newMonitor();
  findPressures(monitor, input({ free: 0.1, nowMs: MINUTE_MS }));
  const at = (minutes: number) =>
    findPressures(monitor, input({ nowMs: minutes * MINUTE_MS }));
  assert.deepEqual(at(5.9), ["DiskPressure"]);
  assert.deepEqual(at(6), []);
});

Deno.test("PressureMonitor.update() applies the thresholds of agent.yaml", () => {
  const hard = {
    ...DEFAULT_EVICTION.hard,
    "memory.available": { count: 3 * GIB },
    "imagefs.available": { count: 0 },
  };
  const monitor = new PressureMonitor({ hard, pressureTransitionPeriodMs: 50 });
  assert.deepEqual(findPressures(monitor, input({ free: 0 })), [
    "MemoryPressure",
  ]);
  const later = input({ nowMs: 50, memoryAvailableBytes: 3 * GIB });
  assert.deepEqual(findPressures(monitor, later), []);
});

Deno.test("PressureMonitor.update() ignores inodes of a file system that counts none", () => {
  const hard = { ...DEFAULT_EVICTION.hard, "imagefs.inodesFree": { count: 9 } };
  const monitor = new PressureMonitor({ ...DEFAULT_EVICTION, hard });
  const measured = input({ freeInodes: 0 });
  assert.deepEqual(findPressures(monitor, measured), ["DiskPressure"]);
  const withoutInodes = new PressureMonitor({ ...DEFAULT_EVICTION, hard });
  if (measured.engineDisk) measured.engineDisk.inodeCount = 0;
  assert.deepEqual(findPressures(withoutInodes, measured), []);
});

Deno.test("PressureMonitor.update() returns messages that stay the same while the condition does", () => {
  const monitor = newMonitor();
  const measured = { memoryAvailableBytes: 90 * 1024 ** 2, free: 0.1 };
  const exceeded = monitor.update(input(measured));
  assert.deepEqual(exceeded, [
    {
      signal: "memory.available",
      thresholdCount: 100 * 1024 ** 2,
      availableCount: 90 * 1024 ** 2,
    },
    { signal: "imagefs.available", thresholdCount: 15, availableCount: 10 },
  ]);
  const [memory, disk, pid] = monitor.conditions;
  assert.deepEqual(memory, {
    type: "MemoryPressure",
    status: true,
    reason: "KubeletHasInsufficientMemory",
    message: "less than 96 MiB of memory are available",
  });
  assert.equal(
    disk?.message,
    "space on the engine's file system (imagefs) is short: 10 % free, expected at least 15 %",
  );
  assert.deepEqual(pid, {
    type: "PIDPressure",
    status: false,
    reason: "KubeletHasSufficientPID",
    message: "kubelet has sufficient PID available",
  });
});

Deno.test("PressureMonitor.update() names in the message what is short, and where", () => {
  const disk = { ...input().engineDisk, deviceId: 2 } as DiskUsage;
  const cases: [EvictionSettings["hard"], PressureInput, string][] = [
    [
      DEFAULT_EVICTION.hard,
      { ...input(), stateDisk: { ...disk, freeInodeCount: 39 } },
      "inodes of the agent's file system (nodefs) are short: 3 % free, expected at least 5 %",
    ],
    [
      DEFAULT_EVICTION.hard,
      { ...input({ free: 0.12 }), stateDisk: { ...disk, availableBytes: 9 } },
      "space on the agent's file system (nodefs) is short: 9 % free, expected at least 10 %; " +
      "space on the engine's file system (imagefs) is short: 12 % free, expected at least 15 %",
    ],
    [
      {
        ...DEFAULT_EVICTION.hard,
        "nodefs.available": { count: GIB },
        "imagefs.inodesFree": { count: 600 },
      },
      {
        ...input(),
        stateDisk: { ...disk, capacityBytes: 4 * GIB, availableBytes: GIB / 2 },
      },
      "space on the agent's file system (nodefs) is short: 12 % free, expected at least 1024 MiB; " +
      "inodes of the engine's file system (imagefs) are short: 50 % free, expected at least 600",
    ],
  ];
  for (const [hard, measured, expected] of cases) {
    const monitor = new PressureMonitor({ ...DEFAULT_EVICTION, hard });
    monitor.update(measured);
    const [, condition] = monitor.conditions;
    assert.equal(condition?.message, expected);
  }
});

Deno.test("PressureMonitor.restore() keeps conditions of an earlier start for the transition period", () => {
  const monitor = newMonitor();
  monitor.restore(["DiskPressure", "unknown"], { nowMs: MINUTE_MS });
  const nowMs = 6 * MINUTE_MS;
  assert.deepEqual(findPressures(monitor, input({ nowMs: nowMs - 1 })), [
    "DiskPressure",
  ]);
  const { message } = monitor.conditions[1] ?? {};
  assert.equal(message, "was true before the agent was restarted");
  assert.deepEqual(findPressures(monitor, input({ nowMs })), []);
});
