// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { EdgeDevice } from "../../../lib/operator/kube/mod.ts";
import {
  ownedMeta,
  ownedSelector,
  ownership,
  revisionOf,
} from "../../../lib/operator/device/metadata.ts";

const EDGE: EdgeDevice = {
  metadata: { name: "edge-1", namespace: "home", uid: "u1" },
};

Deno.test("ownership() distinguishes own objects, those of a deleted EdgeDevice, and foreign ones", () => {
  const ours = { metadata: ownedMeta(EDGE, "edge-1") };
  const former = {
    metadata: ownedMeta(
      { metadata: { ...EDGE.metadata, uid: "u0" } },
      "edge-1",
    ),
  };
  assert.equal(ownership(EDGE, ours), "ours");
  assert.equal(ownership(EDGE, former), "stale");
  assert.equal(ownership(EDGE, { metadata: { name: "edge-1" } }), "foreign");
});

Deno.test("ownedSelector() selects by the labels of ownedMeta()", () => {
  const { labels = {} } = ownedMeta(EDGE, "edge-1");
  const selector = new Map(
    ownedSelector("home").split(",").map((pair) =>
      pair.split("=") as [string, string]
    ),
  );
  for (const [key, value] of selector) assert.equal(labels[key], value);
  assert.equal(selector.size, 2);
});

Deno.test("revisionOf() orders versions as numbers, and one without a version not at all", () => {
  const at = (resourceVersion: string) => ({
    metadata: { name: "edge-1", resourceVersion },
  });
  assert.ok(revisionOf(at("9")) < revisionOf(at("10")));
  const none = { metadata: { name: "edge-1" } };
  assert.equal(revisionOf(none) < revisionOf(at("1")), false);
  assert.equal(revisionOf(none) >= revisionOf(at("1")), false);
});
