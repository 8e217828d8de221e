// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SILENT_LOGGER, SYSTEM_CLOCK } from "../../../lib/shared/base/mod.ts";
import type { KubeClient } from "../../../lib/operator/kube/mod.ts";
import {
  createAddressBook,
  createClusterRanges,
  overlap,
  parseCidr,
} from "../../../lib/operator/fleet/addresses.ts";

function mustParse(text: string) {
  const range = parseCidr(text);
  assert.ok(range, `${text} is no range`);
  return range;
}

function book(others: { owner: string; cidr: string }[] = []) {
  const made = createAddressBook({ seed: "home" });
  for (const { owner, cidr } of others) made.noteOther(owner, cidr);
  return made;
}

Deno.test("parseCidr() gives first and last address of both families", () => {
  assert.deepEqual(parseCidr("100.64.0.77/26"), {
    family: 4,
    first: 0x64400040n,
    last: 0x6440007fn,
  });
  assert.deepEqual(parseCidr("fd00::1:0/112"), {
    family: 6,
    first: 0xfd00_0000_0000_0000_0000_0000_0001_0000n,
    last: 0xfd00_0000_0000_0000_0000_0000_0001_ffffn,
  });
  assert.equal(parseCidr("::ffff:10.0.0.1/128")?.first, 0xffff_0a00_0001n);
  for (const text of ["", "10.0.0.0", "10.0.0.0/33", "edge/8", "1.2.3/8"]) {
    assert.equal(parseCidr(text), undefined);
  }
});

Deno.test("overlap() sees a range within another, and none between families", () => {
  const wide = mustParse("10.0.0.0/8");
  assert.equal(overlap(wide, mustParse("10.200.7.0/26")), true);
  assert.equal(
    overlap(mustParse("10.0.1.0/24"), mustParse("10.0.2.0/24")),
    false,
  );
  assert.equal(overlap(wide, mustParse("::/0")), false);
});

Deno.test("claim() picks a /26 of 100.64.0.0/10, another for each device, the same each time", () => {
  const addresses = book();
  const picked = ["a", "b", "c"].map((name) => addresses.claim(name, {}).cidr);
  assert.equal(new Set(picked).size, 3);
  for (const cidr of picked) {
    assert.match(cidr, /\/26$/);
    assert.ok(overlap(mustParse("100.64.0.0/10"), mustParse(cidr)));
  }
  assert.equal(addresses.claim("b", {}).cidr, picked[1]);
});

Deno.test("claim() keeps the range that the device had, unless another has it now", () => {
  const former = "100.64.9.0/26";
  assert.equal(book().claim("a", { former }).cidr, former);
  const taken = book([{ owner: "other/b", cidr: former }]);
  assert.notEqual(taken.claim("a", { former }).cidr, former);
});

Deno.test("claim() takes a given range and names who overlaps it, as long as that lasts", () => {
  const addresses = book();
  addresses.claim("a", { fixed: "10.1.0.0/24" });
  const wish = { fixed: "10.1.0.64/26" };
  assert.deepEqual(addresses.claim("b", wish), {
    cidr: "10.1.0.64/26",
    overlaps: "a",
  });
  assert.equal(addresses.claim("b", wish).overlaps, "a");
  addresses.release("a");
  assert.equal(addresses.claim("b", wish).overlaps, undefined);
});

Deno.test("claim() sees an overlap with a range that is much wider", () => {
  const addresses = book([{ owner: "other/x", cidr: "10.0.0.0/8" }]);
  assert.equal(
    addresses.claim("a", { fixed: "10.9.0.0/26" }).overlaps,
    "other/x",
  );
  addresses.noteOther("other/x", undefined);
  assert.equal(
    addresses.claim("a", { fixed: "10.9.0.0/26" }).overlaps,
    undefined,
  );
  assert.equal(addresses.claim("b", { fixed: "10.0.0.0/8" }).overlaps, "a");
});

Deno.test("claim() goes around ranges of other operators' devices", () => {
  const cidr = book().claim("a", {}).cidr;
  const other = book([{ owner: "other/x", cidr }]).claim("a", {}).cidr;
  assert.equal(overlap(mustParse(cidr), mustParse(other)), false);
});

Deno.test("createClusterRanges() keeps picks out of ordinary nodes' ranges, says once that the cluster gives them, and forgets nodes that went", async () => {
  const free = book().claim("a", {}).cidr;
  let items = [{
    metadata: { name: "worker" },
    spec: { podCIDR: free, podCIDRs: [free, "fd00::/64"] },
  }];
  const warnings: string[] = [];
  const made = book();
  const ranges = createClusterRanges({
    client: {
      list: () => Promise.resolve({ items, metadata: {} }),
    } as unknown as KubeClient,
    book: made,
    log: { ...SILENT_LOGGER, warn: (message) => void warnings.push(message) },
    clock: SYSTEM_CLOCK,
  });
  const { signal } = new AbortController();
  await ranges.refresh(signal);
  await ranges.refresh(signal);
  assert.equal(warnings.length, 1);
  assert.notEqual(made.claim("a", {}).cidr, free);
  assert.equal(
    made.claim("b", { fixed: "fd00::/80" }).overlaps,
    "node worker (2)",
  );
  items = [];
  await ranges.refresh(signal);
  assert.equal(made.claim("b", { fixed: "fd00::/80" }).overlaps, undefined);
});

Deno.test("createClusterRanges() goes on when nodes can't be listed", async () => {
  const ranges = createClusterRanges({
    client: {
      list: () => Promise.reject(new Error("away")),
    } as unknown as KubeClient,
    book: book(),
    log: SILENT_LOGGER,
    clock: SYSTEM_CLOCK,
  });
  await ranges.refresh(new AbortController().signal);
});
