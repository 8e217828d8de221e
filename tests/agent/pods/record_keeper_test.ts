// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  createPodRecord,
  type PodRecord,
  type RecordGoal,
} from "../../../lib/agent/pods/pod_record.ts";
import { RecordKeeper } from "../../../lib/agent/pods/record_keeper.ts";
import { VirtualClock } from "../../shared/session/_support/virtual_clock.ts";
import { podOf } from "./_support/pods_fixture.ts";
import { createWorkerContext } from "./_support/worker_context.ts";

function createFixture(
  spec = podOf(),
  options: { goal?: RecordGoal; record?: PodRecord } = {},
) {
  const clock = new VirtualClock();
  const { context, saved, unsaved } = createWorkerContext(clock);
  const record = options.record ?? createPodRecord(spec, {
    firstSeenUnixMs: 7_000,
    ...(options.goal && { goal: options.goal }),
  });
  const keeper = new RecordKeeper({ context, record });
  const { save } = context.store;
  return {
    clock,
    context,
    keeper,
    record,
    saved,
    unsaved,
    setDiskFull(isFull: boolean) {
      context.store.save = isFull
        ? () => Promise.reject(new Error("disk is full"))
        : save;
    },
  };
}

const FAILURE = { reason: "Evicted", message: "" };

Deno.test("replaceSpec() throws and changes nothing when it can't be written", async () => {
  const { keeper, record, setDiskFull, unsaved } = createFixture();
  setDiskFull(true);
  await assert.rejects(keeper.replaceSpec(podOf()), /disk is full/);
  assert.equal(keeper.record, record);
  assert.deepEqual(unsaved, []);
});

Deno.test("replaceSpec() keeps a change that is made meanwhile, and writes both", async () => {
  const { keeper, saved } = createFixture();
  const spec = podOf({ specHash: "h2" });
  await Promise.all([
    keeper.replaceSpec(spec),
    keeper.update({ failure: FAILURE }),
  ]);
  assert.equal(keeper.record.spec, spec);
  assert.equal(keeper.record.failure, FAILURE);
  assert.deepEqual(saved.at(-1), keeper.record);
});

Deno.test("update() changes the record at once, also twice at the same time", async () => {
  const { keeper, saved } = createFixture();
  const first = keeper.update({ failure: FAILURE });
  assert.equal(keeper.record.failure, FAILURE);
  await Promise.all([first, keeper.update({ goal: "remove" })]);
  assert.equal(keeper.record.failure, FAILURE);
  assert.equal(keeper.record.goal, "remove");
  assert.deepEqual(saved.at(-1), keeper.record);
});

Deno.test("writeIfDue() writes a change again a minute after it could not be written", async () => {
  const { clock, keeper, saved, setDiskFull } = createFixture();
  setDiskFull(true);
  await keeper.update({ failure: FAILURE });
  assert.equal(keeper.record.failure, FAILURE);
  assert.equal(keeper.dueAtMs, clock.monotonicMs() + 60_000);
  setDiskFull(false);
  await clock.pass(59_999);
  await keeper.writeIfDue();
  assert.deepEqual(saved, []);
  await clock.pass(1);
  await keeper.writeIfDue();
  await keeper.writeIfDue();
  assert.deepEqual(saved, [keeper.record]);
  assert.equal(keeper.dueAtMs, undefined);
});

for (
  const [former, goal, removed] of [
    ["run", "remove", ["u1"]],
    ["run", "purge", ["u1"]],
    ["run", "run", []],
    ["remove", "terminated", []],
    ["unmanaged", "remove", []],
  ] as const
) {
  Deno.test(`update() removes [${removed}] when goal ${goal} can't be written and ${former} is on disk`, async () => {
    const fixture = createFixture(podOf(), { goal: former });
    fixture.setDiskFull(true);
    await fixture.keeper.update({ goal });
    await fixture.keeper.update({});
    assert.deepEqual(fixture.unsaved, removed);
  });
}

Deno.test("deadlineAtMs does not count time of the wall clock", async () => {
  // Seen in 1970, before the device had the time.
  const { clock, keeper } = createFixture(
    podOf({ activeDeadlineSeconds: 60n }),
  );
  const startMs = clock.monotonicMs();
  assert.equal(keeper.deadlineAtMs, startMs + 60_000);
  await clock.pass(5_000);
  assert.equal(keeper.deadlineAtMs, startMs + 60_000);
});

Deno.test("close() writes the age of a pod with an active deadline", async () => {
  const former = createFixture(podOf({ activeDeadlineSeconds: 60n }));
  await former.clock.pass(5_000);
  await former.keeper.close();
  const record = former.saved.at(-1);
  assert.equal(record?.activeMs, 5_000);
  const { clock, keeper } = createFixture(podOf(), { record });
  assert.equal(keeper.deadlineAtMs, clock.monotonicMs() + 55_000);
});

for (
  const [title, changes, goal] of [
    ["has no active deadline", {}, "run"],
    ["is removed", { activeDeadlineSeconds: 60n }, "remove"],
  ] as const
) {
  Deno.test(`close() writes nothing when the pod ${title}`, async () => {
    const { clock, keeper, saved } = createFixture(podOf(changes), { goal });
    await clock.pass(5_000);
    await keeper.close();
    assert.deepEqual(saved, []);
  });
}

Deno.test("writeIfDue() writes the age after each eighth of the active deadline, until stopAging()", async () => {
  const { clock, keeper, saved } = createFixture(
    podOf({ activeDeadlineSeconds: 80n }),
  );
  const startMs = clock.monotonicMs();
  assert.equal(keeper.dueAtMs, startMs + 10_000);
  await clock.pass(9_999);
  await keeper.writeIfDue();
  assert.deepEqual(saved, []);
  await clock.pass(1);
  await keeper.writeIfDue();
  await keeper.writeIfDue();
  assert.deepEqual(saved.map(({ activeMs }) => activeMs), [10_000]);
  assert.equal(keeper.dueAtMs, startMs + 20_000);
  keeper.stopAging();
  assert.equal(keeper.dueAtMs, undefined);
});
