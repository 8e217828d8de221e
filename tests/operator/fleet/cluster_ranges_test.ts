// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SILENT_LOGGER, SYSTEM_CLOCK } from "../../../lib/shared/base/mod.ts";
import { PodAddressBook } from "../../../lib/operator/fleet/address_book.ts";
import { ClusterRanges } from "../../../lib/operator/fleet/cluster_ranges.ts";
import type { KubeClient } from "../../../lib/operator/kube/mod.ts";

const { signal } = new AbortController();

interface RangedNode {
  metadata: { name: string };
  spec: { podCIDR: string; podCIDRs: string[] };
}

/** A follower of Nodes that `list` returns, and the warnings that it logs. */
function createFixture(list: () => Promise<RangedNode[]>) {
  const book = new PodAddressBook({ seed: "home" });
  const warnings: string[] = [];
  const ranges = new ClusterRanges({
    client: {
      list: async () => ({ items: await list(), metadata: {} }),
    } as unknown as KubeClient,
    book,
    log: { ...SILENT_LOGGER, warn: (message) => void warnings.push(message) },
    clock: SYSTEM_CLOCK,
  });
  return { book, ranges, warnings };
}

Deno.test("refresh() keeps picks clear of ordinary nodes' ranges until the nodes are deleted", async () => {
  const free = new PodAddressBook({ seed: "home" }).claim("a", {})?.cidr ?? "";
  let nodes = [{
    metadata: { name: "worker" },
    spec: { podCIDR: free, podCIDRs: [free, "fd00::/64"] },
  }];
  const { book, ranges } = createFixture(() => Promise.resolve(nodes));
  await ranges.refresh(signal);
  assert.notEqual(book.claim("a", {})?.cidr, free);
  const assigned = "fd00::/80";
  assert.equal(book.claim("b", { assigned })?.overlapsWith, "node worker (2)");
  nodes = [];
  await ranges.refresh(signal);
  assert.equal(book.claim("b", { assigned })?.overlapsWith, undefined);
});

Deno.test("refresh() warns once that the cluster assigns pod CIDRs to nodes", async () => {
  const { ranges, warnings } = createFixture(() =>
    Promise.resolve([{
      metadata: { name: "worker" },
      spec: { podCIDR: "10.1.0.0/24", podCIDRs: ["10.1.0.0/24"] },
    }])
  );
  await ranges.refresh(signal);
  await ranges.refresh(signal);
  assert.equal(warnings.length, 1);
});

Deno.test("refresh() only logs when nodes can't be listed", async () => {
  const { ranges, warnings } = createFixture(() =>
    Promise.reject(new Error("away"))
  );
  await ranges.refresh(signal);
  assert.equal(warnings.length, 1);
});

Deno.test("refresh() rejects when it is aborted", async () => {
  const stop = new AbortController();
  const { ranges, warnings } = createFixture(() => {
    stop.abort(new TypeError("enough"));
    return Promise.reject(new Error("away"));
  });
  await assert.rejects(ranges.refresh(stop.signal), /enough/);
  assert.deepEqual(warnings, []);
});
