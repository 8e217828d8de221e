// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  AranyaError,
  SILENT_LOGGER,
  SYSTEM_CLOCK,
} from "../../../lib/shared/base/mod.ts";
import { EngineView } from "../../../lib/agent/pods/engine_cache.ts";
import { FakeEngine } from "./_support/fake_engine.ts";

function start() {
  const engine = new FakeEngine(SYSTEM_CLOCK);
  const listings: PromiseWithResolvers<void>[] = [];
  const list = engine.listPods.bind(engine);
  engine.listPods = async () => {
    const gate = Promise.withResolvers<void>();
    listings.push(gate);
    await gate.promise;
    return await list();
  };
  let sights = 0;
  const view = new EngineView({
    runtime: engine,
    clock: SYSTEM_CLOCK,
    log: SILENT_LOGGER,
    onFirstSight() {
      sights++;
      return Promise.resolve();
    },
  });
  return { engine, listings, view, sights: () => sights };
}

Deno.test("list() shares one listing among those who ask while another runs", async () => {
  const { listings, view, sights } = start();
  const first = view.list();
  const others = [view.list(), view.list(), view.list()];
  assert.equal(listings.length, 1);
  listings[0]?.resolve();
  await first;
  await SYSTEM_CLOCK.sleep(0);
  assert.equal(listings.length, 2);
  listings[1]?.resolve();
  await Promise.all(others);
  assert.equal(listings.length, 2);
  assert.equal(sights(), 1);
});

Deno.test("list() goes on after a listing that failed", async () => {
  const { listings, view } = start();
  const failing = view.list();
  const next = view.list();
  listings[0]?.reject(new AranyaError("unavailable", "Cannot list: away"));
  await assert.rejects(failing, /away/);
  await SYSTEM_CLOCK.sleep(0);
  listings[1]?.resolve();
  assert.equal((await next).size, 0);
});

Deno.test("watch() tells of changes and of losses, and watches again after a failure", async () => {
  const { engine, view } = start();
  const stop = new AbortController();
  const told: string[] = [];
  let round = 0;
  engine.watchPods = async function* () {
    round++;
    if (round === 1) throw new AranyaError("unavailable", "Cannot watch");
    yield "";
    yield "u1";
    stop.abort();
  };
  await view.watch({
    signal: stop.signal,
    onChange: (uid) => void told.push(uid),
    onLost: () => void told.push("lost"),
  });
  assert.deepEqual(told, ["lost", "u1"]);
});
