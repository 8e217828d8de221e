// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { HostFacts } from "../../../lib/agent/host/facts.ts";
import { DEFAULT_EVICTION } from "../../../lib/shared/config/mod.ts";
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
    "the file system of the agent's state is unknown, the file system of the engine has 10 % free",
  );
  assert.deepEqual(pid, {
    type: "PIDPressure",
    status: false,
    reason: "KubeletHasSufficientPID",
    message: "kubelet has sufficient PID available",
  });
});
