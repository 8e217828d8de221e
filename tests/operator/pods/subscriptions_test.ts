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
  for (const ref of ["r1", "r2", "r3"]) subscriptions.enqueueDependents(ref);
  assert.deepEqual(first.enqueued, ["ns/a +0", "ns/b +0", "ns/a +0"]);
  assert.deepEqual(second.enqueued, ["ns/c +0"]);
});

Deno.test("PodSubscription.setRefs() replaces earlier references", () => {
  const subscriptions = new PodSubscriptions();
  const { enqueued, subscription } = subscribe(subscriptions, "edge-1");
  subscription.setRefs("ns/a", ["r1", "r2"]);
  subscription.setRefs("ns/a", ["r2", "r3"]);
  for (const ref of ["r1", "r2", "r3"]) {
    subscriptions.enqueueDependents(ref);
  }
  assert.equal(enqueued.length, 2);
  subscription.setRefs("ns/a", []);
  subscriptions.enqueueDependents("r2");
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
  subscriptions.enqueueDependents("r");
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

Deno.test("PodSubscriptions.enqueueInTurn() enqueues each pod at a time of its own, once per interval", () => {
  const time = { ms: 50_000 };
  const phases = [0, 0.5, 0.99];
  const subscriptions = new PodSubscriptions({
    clock: { monotonicMs: () => time.ms },
    random: () => phases.shift() ?? 0,
  });
  const { enqueued, subscription } = subscribe(subscriptions, "edge-1");
  for (const name of ["a", "b", "c"]) {
    subscription.setRefs(`ns/${name}`, ["services"]);
  }
  /** Returns when each pod is enqueued by a change at this time. */
  const change = (atMs: number) => {
    enqueued.length = 0;
    time.ms = atMs;
    subscriptions.enqueueInTurn("services", { intervalMs: 100_000 });
    return enqueued.map((line) => atMs + Number(line.split("+")[1]));
  };
  assert.deepEqual(change(50_000), [100_000, 150_000, 99_000]);
  // Later changes are synced together with the first.
  assert.deepEqual(change(90_000), [100_000, 150_000, 99_000]);
  assert.deepEqual(change(100_000), [200_000, 150_000, 199_000]);
  // The time of a pod stays while its references change.
  subscription.setRefs("ns/b", ["services", "cm"]);
  assert.deepEqual(change(140_000)[1], 150_000);
});
