// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { PodSubscriptions } from "../../../lib/operator/pods/subscriptions.ts";

/** Adds a subscription whose calls are collected as "<pod key> +<delay>", or as "state". */
function subscribe(subscriptions: PodSubscriptions, node: string) {
  const enqueued: string[] = [];
  const subscription = subscriptions.add(node, {
    enqueue: (podKey, { afterMs = 0 } = {}) =>
      void enqueued.push(`${podKey} +${afterMs}`),
    onStateChanged: () => void enqueued.push("state"),
  });
  return { enqueued, subscription };
}

Deno.test("PodSubscriptions.enqueuePod() enqueues for every subscriber of the node", () => {
  const subscriptions = new PodSubscriptions();
  const first = subscribe(subscriptions, "edge-1");
  const second = subscribe(subscriptions, "edge-1");
  const other = subscribe(subscriptions, "edge-2");
  subscriptions.enqueuePod("edge-1", "ns/a");
  subscriptions.enqueuePod(undefined, "ns/b");
  assert.deepEqual(first.enqueued, ["ns/a +0"]);
  assert.deepEqual(second.enqueued, ["ns/a +0"]);
  assert.deepEqual(other.enqueued, []);
});

Deno.test("PodSubscriptions.enqueueDependents() enqueues the pods that refer to the object", () => {
  const subscriptions = new PodSubscriptions();
  const first = subscribe(subscriptions, "edge-1");
  const second = subscribe(subscriptions, "edge-2");
  first.subscription.setRefs("ns/a", ["r1", "r2"]);
  first.subscription.setRefs("ns/b", ["r1"]);
  second.subscription.setRefs("ns/c", ["r2"]);
  subscriptions.enqueueDependents("r1", { afterMs: 5 });
  subscriptions.enqueueDependents("r2", { afterMs: 0 });
  subscriptions.enqueueDependents("r3", { afterMs: 0 });
  assert.deepEqual(first.enqueued, ["ns/a +5", "ns/b +5", "ns/a +0"]);
  assert.deepEqual(second.enqueued, ["ns/c +0"]);
});

Deno.test("PodSubscription.setRefs() replaces earlier references", () => {
  const subscriptions = new PodSubscriptions();
  const { enqueued, subscription } = subscribe(subscriptions, "edge-1");
  subscription.setRefs("ns/a", ["r1", "r2"]);
  subscription.setRefs("ns/a", ["r2", "r3"]);
  for (const ref of ["r1", "r2", "r3"]) {
    subscriptions.enqueueDependents(ref, { afterMs: 0 });
  }
  assert.equal(enqueued.length, 2);
  subscription.setRefs("ns/a", []);
  subscriptions.enqueueDependents("r2", { afterMs: 0 });
  assert.equal(enqueued.length, 2);
});

Deno.test("PodSubscription.close() ends one subscription only", () => {
  const subscriptions = new PodSubscriptions();
  const closed = subscribe(subscriptions, "edge-1");
  const open = subscribe(subscriptions, "edge-1");
  closed.subscription.setRefs("ns/a", ["r"]);
  open.subscription.setRefs("ns/a", ["r"]);
  closed.subscription.close();
  subscriptions.enqueuePod("edge-1", "ns/a");
  subscriptions.enqueueDependents("r", { afterMs: 0 });
  assert.deepEqual(closed.enqueued, []);
  assert.deepEqual(open.enqueued, ["ns/a +0", "ns/a +0"]);
});

Deno.test("PodSubscriptions.notifyStateChanged() notifies the subscribers of all nodes", () => {
  const subscriptions = new PodSubscriptions();
  const first = subscribe(subscriptions, "edge-1");
  const second = subscribe(subscriptions, "edge-2");
  subscriptions.add("edge-2", { enqueue() {} });
  subscriptions.notifyStateChanged();
  assert.deepEqual([first.enqueued, second.enqueued], [["state"], ["state"]]);
});
