// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  toMemoryRequest,
  toPodTotal,
} from "../../../lib/agent/pods/pod_usage.ts";
import { podOf } from "./_support/pods_fixture.ts";

const container = (memoryRequestBytes: bigint, restartAlways = false) => ({
  name: `c${memoryRequestBytes}`,
  restartAlways,
  resources: { memoryRequestBytes },
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
