// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  AranyaError,
  SILENT_LOGGER,
  SYSTEM_CLOCK,
} from "../../../lib/shared/base/mod.ts";
import type { RuntimePod } from "../../../lib/agent/runtime/mod.ts";
import { EngineCache } from "../../../lib/agent/pods/engine_cache.ts";
import { FakeEngine } from "./_support/fake_engine.ts";

const POD: RuntimePod = {
  uid: "u1",
  namespace: "ns",
  name: "web",
  sandbox: { id: "s1", running: true, podIps: [] },
  containers: [],
};

/** A cache whose listings end when the test resolves them. */
function createFixture() {
  const engine = new FakeEngine(SYSTEM_CLOCK);
  engine.pods.set("u1", POD);
  const listings: PromiseWithResolvers<void>[] = [];
  const listPods = engine.listPods.bind(engine);
  engine.listPods = async () => {
    const listing = Promise.withResolvers<void>();
    listings.push(listing);
    await listing.promise;
    return await listPods();
  };
  const received: { pods: RuntimePod[]; isFirst: boolean }[] = [];
  const cache = new EngineCache({
    runtime: engine,
    clock: SYSTEM_CLOCK,
    log: SILENT_LOGGER,
    onListing(pods, { isFirst }) {
      received.push({ pods, isFirst });
      return Promise.resolve();
    },
  });
  return { engine, listings, cache, received };
}

Deno.test("listPods() shares one listing when several callers ask while another runs", async () => {
  const { listings, cache, received } = createFixture();
  const first = cache.listPods();
  const others = [cache.listPods(), cache.listPods(), cache.listPods()];
  assert.equal(listings.length, 1);
  assert.equal(cache.hasListed, false);
  listings[0]?.resolve();
  await first;
  assert.equal(cache.hasListed, true);
  await SYSTEM_CLOCK.sleep(0);
  assert.equal(listings.length, 2);
  // A call during the second listing gets a third one.
  const last = cache.listPods();
  listings[1]?.resolve();
  await Promise.all(others);
  await SYSTEM_CLOCK.sleep(0);
  assert.equal(listings.length, 3);
  listings[2]?.resolve();
  await last;
  assert.deepEqual(received, [
    { pods: [POD], isFirst: true },
    { pods: [POD], isFirst: false },
    { pods: [POD], isFirst: false },
  ]);
});

Deno.test("listPods() lists again when the listing before failed", async () => {
  const { listings, cache } = createFixture();
  const failing = cache.listPods();
  const next = cache.listPods();
  listings[0]?.reject(new AranyaError("unavailable", "Cannot list: no answer"));
  await assert.rejects(failing, /no answer/);
  await SYSTEM_CLOCK.sleep(0);
  listings[1]?.resolve();
  assert.equal((await next).size, 1);
});

Deno.test("findPod() returns one pod of a listing", async () => {
  const { listings, cache } = createFixture();
  const found = cache.findPod("u1");
  const absent = cache.findPod("u2");
  listings[0]?.resolve();
  assert.deepEqual(await found, POD);
  await SYSTEM_CLOCK.sleep(0);
  listings[1]?.resolve();
  assert.equal(await absent, undefined);
});

Deno.test("listUntilSuccess() ends when a listing succeeds or the signal is aborted", async () => {
  const { listings, cache } = createFixture();
  const done = cache.listUntilSuccess(new AbortController().signal);
  listings[0]?.resolve();
  await done;
  await cache.listUntilSuccess(new AbortController().signal);
  assert.equal(listings.length, 1);
  const other = createFixture();
  const controller = new AbortController();
  const waiting = other.cache.listUntilSuccess(controller.signal);
  other.listings[0]?.reject(new AranyaError("unavailable", "no answer"));
  controller.abort();
  await waiting;
  assert.equal(other.cache.hasListed, false);
});

Deno.test("watch() reports changes of one pod and of all, and goes on when it failed", async () => {
  const { engine, cache } = createFixture();
  const controller = new AbortController();
  const reported: string[] = [];
  let watchCount = 0;
  engine.watchPods = async function* () {
    watchCount++;
    if (watchCount === 1) throw new AranyaError("unavailable", "Cannot watch");
    yield "";
    yield "u1";
    controller.abort();
  };
  await cache.watch({
    signal: controller.signal,
    onPodChanged: (uid) => void reported.push(uid),
    onAllChanged: () => void reported.push("all"),
  });
  assert.deepEqual(reported, ["all", "u1"]);
});
