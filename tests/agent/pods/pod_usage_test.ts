// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  isBestEffort,
  isCritical,
  toMemoryRequest,
  toPodTotal,
} from "../../../lib/agent/pods/pod_usage.ts";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { create, PodSpecSchema } from "../../../lib/shared/wire/mod.ts";
import { podOf } from "./_support/pods_fixture.ts";

const container = (memoryRequestBytes: bigint, restartAlways = false) => ({
  name: `c${memoryRequestBytes}`,
  restartAlways,
  resources: { memoryRequestBytes },
});

Deno.test("isCritical() is true from the priority of system-cluster-critical on", () => {
  assert.equal(isCritical(podOf({ priority: 2_000_000_000 })), true);
  assert.equal(isCritical(podOf({ priority: 1_999_999_999 })), false);
  assert.equal(isCritical(podOf({ priority: 0 })), false);
});

Deno.test("isCritical() is true for a record of an earlier agent, without a priority", () => {
  const { priority: _, ...spec } = podOf();
  const earlier = create(PodSpecSchema, spec);
  const stored = fromBinary(PodSpecSchema, toBinary(PodSpecSchema, earlier));
  assert.equal(isCritical(stored), true);
  const sent = toBinary(PodSpecSchema, podOf({ priority: 0 }));
  assert.equal(isCritical(fromBinary(PodSpecSchema, sent)), false);
});

Deno.test("isBestEffort() is true when no container asks for CPU or memory", () => {
  assert.equal(isBestEffort(podOf()), true);
  const storage = { storageLimitBytes: 1n };
  assert.equal(
    isBestEffort(podOf({ containers: [{ name: "a", resources: storage }] })),
    true,
  );
  const cpu = { cpuRequestMillis: 1n };
  assert.equal(
    isBestEffort(podOf({ initContainers: [{ name: "a", resources: cpu }] })),
    false,
  );
});

Deno.test("toPodTotal() is what the containers need, or an init container beside the sidecars before it", () => {
  const total = (init: bigint[], sidecars: bigint[], apps: bigint[]) =>
    toPodTotal(
      podOf({
        initContainers: [
          ...sidecars.map((bytes) => container(bytes, true)),
          ...init.map((bytes) => container(bytes)),
        ],
        containers: apps.map((bytes) => container(bytes)),
      }),
      toMemoryRequest,
    );
  assert.equal(total([], [], [1n, 2n]), 3);
  assert.equal(total([5n, 4n], [], [1n, 2n]), 5);
  assert.equal(total([5n], [10n], [1n, 2n]), 15);
  assert.equal(total([1n], [10n], [1n, 2n]), 13);
});

Deno.test("toMemoryRequest() takes the limit of a container without a request", () => {
  const [app] = podOf({
    containers: [{ name: "a", resources: { memoryLimitBytes: 7n } }],
  }).containers;
  assert.equal(app && toMemoryRequest(app), 7);
});
