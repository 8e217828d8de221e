// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { HostReading } from "../../../lib/agent/host/facts.ts";
import {
  PressureGauge,
  type PressureInput,
} from "../../../lib/agent/host/pressure.ts";

const GIB = 1024 ** 3;
const MINUTE_MS = 60_000;

function input(
  changes: Partial<HostReading> & { free?: number; nowMs?: number } = {},
): PressureInput {
  const { free = 0.5, nowMs = 0, ...host } = changes;
  return {
    host: {
      memoryBytes: 4 * GIB,
      memoryAvailableBytes: 2 * GIB,
      threadCount: 200,
      threadLimit: 32_768,
      ...host,
    } as HostReading,
    stateDisk: undefined,
    engineDisk: {
      capacityBytes: 100,
      availableBytes: 100 * free,
      usedBytes: 0,
    },
    nowMs,
  };
}

const pressed = (gauge: PressureGauge, given: PressureInput) =>
  gauge.judge(given).filter(({ status }) => status).map(({ type }) => type);

Deno.test("PressureGauge finds no pressure on a machine at ease", () => {
  assert.deepEqual(pressed(new PressureGauge(), input()), []);
});

Deno.test("PressureGauge has the kubelet's thresholds", () => {
  const cases: [PressureInput, string[]][] = [
    [input({ memoryAvailableBytes: 99 * 1024 ** 2 }), ["MemoryPressure"]],
    // A small device: a tenth of its memory.
    [input({ memoryBytes: GIB / 4, memoryAvailableBytes: GIB / 32 }), []],
    [input({ free: 0.14 }), ["DiskPressure"]],
    [input({ free: 0.16 }), []],
    [input({ threadCount: 30_000 }), ["PIDPressure"]],
    [input({ threadCount: 30_000, threadLimit: 0 }), []],
  ];
  for (const [given, expected] of cases) {
    assert.deepEqual(pressed(new PressureGauge(), given), expected);
  }
});

Deno.test("PressureGauge holds a pressure for five minutes after it was last seen", () => {
  const gauge = new PressureGauge();
  pressed(gauge, input({ free: 0.1, nowMs: MINUTE_MS }));
  const at = (minutes: number) =>
    pressed(gauge, input({ nowMs: minutes * MINUTE_MS }));
  assert.deepEqual(at(5.9), ["DiskPressure"]);
  assert.deepEqual(at(6), []);
});
