// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { MEBIBYTE, MemoryPool } from "../../../lib/shared/base/mod.ts";
import { StatusStore } from "../../../lib/operator/pods/status_store.ts";
import { create, PodStatusSchema } from "../../../lib/shared/wire/mod.ts";

const MESSAGE = "x".repeat(1_000_000);

const status = (uid: string, failureMessage = "") =>
  create(PodStatusSchema, { uid, failureMessage });

/** Stores large statuses of other pods until there is no room for one more. */
function fill(store: StatusStore): number {
  let count = 0;
  while (store.set(status(`large-${count}`, MESSAGE))) count++;
  return count;
}

Deno.test("StatusStore.set() replaces the status of a pod, and its costs", () => {
  const store = new StatusStore();
  for (let count = 0; count < 100; count++) {
    assert.equal(store.set(status("a", MESSAGE)), true);
  }
  assert.equal(store.set(status("a")), true);
  assert.deepEqual(store.values(), [status("a")]);
  assert.equal(fill(store), 16);
});

Deno.test("StatusStore.set() leaves everything as it is when there is no room", () => {
  const store = new StatusStore();
  store.set(status("a"));
  assert.equal(fill(store), 16);
  assert.equal(store.refusedCount, 1);
  assert.equal(store.set(status("a", MESSAGE)), false);
  assert.equal(store.get("a")?.failureMessage, "");
  assert.equal(store.get("large-16"), undefined);
  assert.equal(store.refusedCount, 2);
  assert.equal(store.set(status("b")), true);
});

Deno.test("StatusStore.delete() makes room, once", () => {
  const store = new StatusStore();
  fill(store);
  store.delete("large-0");
  store.delete("large-0");
  assert.equal(store.set(status("a", MESSAGE)), true);
  assert.equal(store.set(status("b", MESSAGE)), false);
});

Deno.test("StatusStore.set() counts fields that are encoded in two bytes", () => {
  const store = new StatusStore();
  const containers = Array.from({ length: 50_000 }, () => ({}));
  const isStored = ["a", "b", "c"].map((uid) =>
    store.set(create(PodStatusSchema, { uid, containers }))
  );
  assert.deepEqual(isStored, [true, true, false]);
});

Deno.test("StatusStore.set() has room for 40 pods of 30 containers with the longest termination messages", () => {
  const store = new StatusStore();
  const terminated = {
    state: {
      case: "terminated",
      value: {
        exitCode: 1,
        reason: "Error",
        message: "x".repeat(4096),
        startedUnixMs: 1_700_000_000_000n,
        finishedUnixMs: 1_700_000_000_000n,
      },
    },
  } as const;
  const containers = Array.from({ length: 30 }, (_, at) => ({
    name: `container-${at}`,
    state: terminated,
    lastTerminated: terminated,
    restartCount: 3,
    containerId: `docker://${"4".repeat(64)}`,
    image: "registry.example/team/application:1.2.3",
    imageId: `registry.example/team/application@sha256:${"4".repeat(64)}`,
  }));
  for (let count = 0; count < 40; count++) {
    const uid = `u${count}`;
    assert.equal(store.set(create(PodStatusSchema, { uid, containers })), true);
  }
});

Deno.test("StatusStore.set() keeps listed token files until others are given, and counts them", () => {
  const store = new StatusStore();
  const tokenFiles = create(PodStatusSchema, {
    tokenFiles: [{ path: MESSAGE }],
  }).tokenFiles;
  store.set(status("a"), { tokenFiles });
  store.set(status("a"));
  assert.equal(store.tokenFilesOf("a"), tokenFiles);
  assert.equal(fill(store), 15);
  store.set(status("a"), { tokenFiles: [] });
  assert.deepEqual(store.tokenFilesOf("a"), []);
  assert.equal(store.set(status("b", MESSAGE)), true);
});

Deno.test("StatusStore.set() counts what a pod occupies of which only the UID is reported", () => {
  const pool = new MemoryPool({ guaranteedBytes: 0, reserveBytes: MEBIBYTE });
  const store = new StatusStore(pool.join());
  let count = 0;
  while (store.set(status(`u${count}`))) count++;
  // About 1 KiB each on V8's heap, and as much in maps and queues.
  assert.ok(count > 300 && count < 512, `${count} pods`);
  assert.equal(store.refusedCount, 0);
  assert.equal(store.deferredCount, 1);
});

Deno.test("StatusStore.set() shares the memory for the statuses of all devices", () => {
  const pool = new MemoryPool({
    guaranteedBytes: MEBIBYTE / 4,
    reserveBytes: 3 * MEBIBYTE,
  });
  const [first, second] = [
    new StatusStore(pool.join()),
    new StatusStore(pool.join()),
  ];
  assert.equal(fill(first), 3);
  assert.deepEqual([first.refusedCount, first.deferredCount], [0, 1]);
  // What it has is kept, and it may still take its guaranteed part.
  assert.equal(first.set(status("small")), true);
  assert.equal(second.set(status("a", MESSAGE.slice(0, 250_000))), true);
  assert.equal(second.set(status("b", MESSAGE)), false);
  first.delete("large-0");
  assert.equal(second.set(status("b", MESSAGE)), true);
  first[Symbol.dispose]();
  assert.deepEqual(first.values(), []);
  second[Symbol.dispose]();
  assert.equal(pool.reservedBytes, 0);
});

Deno.test("StatusStore.set() stores nothing of a report that comes after the store was disposed", () => {
  const pool = new MemoryPool({ guaranteedBytes: 0, reserveBytes: MEBIBYTE });
  const store = new StatusStore(pool.join());
  assert.equal(store.set(status("a")), true);
  store[Symbol.dispose]();
  assert.equal(store.set(status("b")), false);
  assert.deepEqual(store.values(), []);
  assert.equal(pool.reservedBytes, 0);
});
