// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { until } from "../../../dev/base/wait.ts";
import {
  SpdyKeepAlive,
  type SpdyKeepAliveOptions,
} from "../../../lib/operator/streaming/spdy_keep_alive.ts";

function createFixture(
  options: SpdyKeepAliveOptions & { isReadingPaused: boolean },
) {
  const pings: number[] = [];
  const fixture = { pings, idleCount: 0 };
  const keepAlive = new SpdyKeepAlive({
    isReadingPaused: options.isReadingPaused,
    sendPing: (id) => void pings.push(id),
    onIdle: () => void fixture.idleCount++,
  }, options);
  return {
    fixture,
    keepAlive,
    [Symbol.dispose]: () => keepAlive[Symbol.dispose](),
  };
}

Deno.test("SpdyKeepAlive pings at every check when reading is paused", async () => {
  const startMs = performance.now();
  using test = createFixture({ isReadingPaused: true, pingIntervalMs: 20 });
  const { pings } = test.fixture;
  await until(() => pings.length >= 3, { what: "three pings" });
  assert.deepEqual(pings.slice(0, 3), [2, 4, 6]);
  assert.ok(performance.now() - startMs >= 55);
  assert.equal(test.fixture.idleCount, 0);
});

Deno.test("SpdyKeepAlive pings at every sixth check while the socket is read", async () => {
  const startMs = performance.now();
  using test = createFixture({ isReadingPaused: false, pingIntervalMs: 10 });
  const { pings } = test.fixture;
  await until(() => pings.length >= 2, { what: "two pings" });
  assert.ok(performance.now() - startMs >= 110);
});

Deno.test("SpdyKeepAlive reports idleness only when no data was noted", async () => {
  using active = createFixture({
    isReadingPaused: true,
    pingIntervalMs: 5,
    idleTimeoutMs: 60_000,
  });
  using idle = createFixture({
    isReadingPaused: true,
    pingIntervalMs: 5,
    idleTimeoutMs: 20,
  });
  await until(() => {
    active.keepAlive.noteData();
    return idle.fixture.idleCount > 0;
  }, { what: "idleness" });
  assert.equal(active.fixture.idleCount, 0);
});

Deno.test("SpdyKeepAlive stops when it is disposed", async () => {
  const stopped = createFixture({ isReadingPaused: true, pingIntervalMs: 5 });
  stopped[Symbol.dispose]();
  stopped[Symbol.dispose]();
  using running = createFixture({ isReadingPaused: true, pingIntervalMs: 5 });
  await until(() => running.fixture.pings.length >= 2, { what: "two pings" });
  assert.deepEqual(stopped.fixture.pings, []);
});
