// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { DiskReclaimer } from "../../../lib/agent/pods/disk_reclaimer.ts";
import { RecordedLog } from "../_support/recorded_log.ts";
import { createWorkerContext } from "./_support/worker_context.ts";

function createFixture() {
  const { engine } = createWorkerContext();
  const log = new RecordedLog();
  const needed: (readonly string[])[] = [];
  const stop = new AbortController();
  const container = (id: string, state: "running" | "exited") => ({
    id,
    name: id,
    kind: "app" as const,
    attempt: 0,
    image: "img",
    imageId: "sha256:img",
    state,
    startedUnixMs: 0,
    finishedUnixMs: 0,
    exitCode: 0,
    oomKilled: false,
    error: "",
    labels: {},
  });
  for (const uid of ["ended", "active"]) {
    engine.pods.set(uid, {
      uid,
      namespace: "ns",
      name: uid,
      sandbox: undefined,
      containers: [
        container(`${uid}-1`, "exited"),
        container(`${uid}-2`, "running"),
      ],
    });
  }
  const reclaimer = new DiskReclaimer({
    runtime: engine,
    images: {
      reclaim(names) {
        needed.push(names);
        return Promise.resolve(0);
      },
      onImagePulled: () => Promise.resolve(),
    },
    pods: {
      isReleased: (uid) => uid === "ended",
      listImages: () => ["img"],
    },
    log: log.logger,
    signal: stop.signal,
  });
  return { engine, log, needed, reclaimer };
}

Deno.test("DiskReclaimer.reclaim() removes dead containers of ended pods, then unused images", async () => {
  const { engine, needed, reclaimer } = createFixture();
  await reclaimer.reclaim();
  assert.deepEqual(engine.calls, ["remove ended-1"]);
  assert.deepEqual(needed, [["img"]]);
});

Deno.test("DiskReclaimer.reclaim() runs once for calls at the same time, and again later", async () => {
  const { needed, reclaimer } = createFixture();
  await Promise.all([reclaimer.reclaim(), reclaimer.reclaim()]);
  assert.equal(needed.length, 1);
  await reclaimer.reclaim();
  assert.equal(needed.length, 2);
});

Deno.test("DiskReclaimer.reclaim() logs a failure", async () => {
  const { engine, log, reclaimer } = createFixture();
  engine.unavailable = true;
  await reclaimer.reclaim();
  assert.match(log.lines[0] ?? "", /^space on the disk can't be freed/);
});
