// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  fromBinary,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import {
  findPressureRejection,
  isCritical,
} from "../../../lib/shared/admission/mod.ts";
import { create, PodSpecSchema } from "../../../lib/shared/wire/mod.ts";

type SpecInit = MessageInitShape<typeof PodSpecSchema>;

const specOf = (changes: SpecInit = {}) =>
  create(PodSpecSchema, {
    namespace: "ns",
    name: "web",
    priority: 0,
    containers: [{ name: "app", image: "img" }],
    ...changes,
  });

Deno.test("isCritical() is true from the priority of system-cluster-critical on", () => {
  assert.equal(isCritical(specOf({ priority: 2_000_000_000 })), true);
  assert.equal(isCritical(specOf({ priority: 1_999_999_999 })), false);
  assert.equal(isCritical(specOf({ priority: 0 })), false);
});

Deno.test("isCritical() is true for a record of an earlier agent, without a priority", () => {
  const { priority: _, ...spec } = specOf();
  const earlier = create(PodSpecSchema, spec);
  const stored = fromBinary(PodSpecSchema, toBinary(PodSpecSchema, earlier));
  assert.equal(isCritical(stored), true);
  const sent = toBinary(PodSpecSchema, specOf({ priority: 0 }));
  assert.equal(isCritical(fromBinary(PodSpecSchema, sent)), false);
});

Deno.test("findPressureRejection() rejects what a kubelet rejects, with its reason and message", () => {
  const memory = ["MemoryPressure"];
  const disk = ["DiskPressure"];
  const both = ["MemoryPressure", "DiskPressure"];
  const withResources = (
    resources: NonNullable<SpecInit["containers"]>[number]["resources"],
  ): SpecInit => ({
    containers: [{ name: "app", ...resources && { resources } }],
  });
  const critical = { priority: 2_000_000_000 };
  const tolerant = { toleratesMemoryPressure: true };
  const cases: [SpecInit, readonly string[], string | undefined][] = [
    [{}, [], undefined],
    [{}, memory, "MemoryPressure"],
    [{}, disk, "DiskPressure"],
    [{}, both, "MemoryPressure DiskPressure"],
    // The order is always the same.
    [{}, both.toReversed(), "MemoryPressure DiskPressure"],
    // No eviction would end it, and a kubelet has no threshold for it unless one is configured.
    [{}, ["PIDPressure"], undefined],
    [{}, [...memory, "PIDPressure"], "MemoryPressure"],
    [{}, ["RuntimeReady"], undefined],
    // Not BestEffort.
    [withResources({ cpuRequestMillis: 1n }), memory, undefined],
    [withResources({ cpuLimitMillis: 1n }), memory, undefined],
    [withResources({ memoryRequestBytes: 1n }), memory, undefined],
    [withResources({ memoryLimitBytes: 1n }), memory, undefined],
    [withResources({ cpuRequestMillis: 1n }), disk, "DiskPressure"],
    [
      withResources({ cpuRequestMillis: 1n }),
      both,
      "MemoryPressure DiskPressure",
    ],
    [
      {
        initContainers: [{
          name: "init",
          resources: { memoryRequestBytes: 1n },
        }],
      },
      memory,
      undefined,
    ],
    // Ephemeral storage is no part of the QoS class.
    [withResources({ storageRequestBytes: 1n }), memory, "MemoryPressure"],
    [withResources({ storageLimitBytes: 1n }), memory, "MemoryPressure"],
    [tolerant, memory, undefined],
    [tolerant, disk, "DiskPressure"],
    [tolerant, both, "MemoryPressure DiskPressure"],
    [critical, memory, undefined],
    [critical, both, undefined],
    [{ priority: 1_999_999_999 }, disk, "DiskPressure"],
  ];
  for (const [changes, conditions, named] of cases) {
    const rejection = findPressureRejection(specOf(changes), conditions);
    assert.equal(
      rejection?.message,
      named && `The node had condition: [${named}]. `,
    );
    assert.equal(rejection?.reason, named && "Evicted");
  }
});
