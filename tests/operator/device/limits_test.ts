// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  MEBIBYTE,
  type MemoryPool,
  SYSTEM_CLOCK,
} from "../../../lib/shared/base/mod.ts";
import { createDeviceLimits } from "../../../lib/operator/device/limits.ts";

/** Lets devices take all they can, and returns the sum in MiB. */
function exhaust(pool: MemoryPool, deviceCount: number): number {
  const step = MEBIBYTE / 8;
  let sumBytes = 0;
  for (let count = 0; count < deviceCount; count++) {
    const share = pool.join();
    let bytes = 0;
    while (share.resize(bytes + step)) bytes += step;
    sumBytes += bytes;
  }
  return sumBytes / MEBIBYTE;
}

Deno.test("createDeviceLimits() bounds the memory that a hundred devices take, and leaves enough to each other one", () => {
  const { requests, statuses } = createDeviceLimits({ clock: SYSTEM_CLOCK });
  assert.equal(exhaust(requests, 100), 82);
  assert.equal(exhaust(statuses, 100), 164);
  assert.equal(requests.join().resize(MEBIBYTE / 2), true);
  assert.equal(statuses.join().resize(MEBIBYTE), true);
});

Deno.test("createDeviceLimits() bounds what a hundred devices send, and leaves enough to each other one", () => {
  const time = { ms: 0 };
  const { createPace } = createDeviceLimits({
    clock: { monotonicMs: () => time.ms },
  });
  const send = () => {
    const pace = createPace();
    let sentKib = 0;
    for (; pace.delayMs === 0; sentKib++) pace.charge(1024);
    return sentKib;
  };
  assert.equal(send(), 128 + 1024 + 1);
  let sumKib = 0;
  for (let device = 0; device < 100; device++) sumKib += send();
  // The guaranteed part of each, what is left of the reserve, and one piece too many.
  assert.equal(sumKib, 100 * 129 + 1024);
  assert.equal(send(), 129);
});

Deno.test("createDeviceLimits() sends a new device contents of 50 files of 900 KB without a delay, and bounds what others fetch", () => {
  const { createContentPace } = createDeviceLimits({
    clock: { monotonicMs: () => 0 },
  });
  const fetch = () => {
    const pace = createContentPace();
    let fileCount = 0;
    for (; pace.delayMs === 0; fileCount++) pace.charge(900_000);
    assert.ok(pace.delayMs <= 10_000);
    return fileCount;
  };
  const first = fetch();
  assert.ok(first >= 50 && first < 100, `${first} files`);
  let sum = 0;
  for (let device = 0; device < 100; device++) sum += fetch();
  assert.ok(sum * 900_000 < 700 * MEBIBYTE, `${sum} files`);
  // Others that fetch all they can leave the guaranteed part.
  assert.ok(fetch() >= 4);
});
