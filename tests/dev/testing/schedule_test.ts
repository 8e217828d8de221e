// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createRandom } from "../../../dev/base/random.ts";
import { type Job, runJobs, Schedule } from "../../../dev/testing/schedule.ts";

/** The middle of the range: no job's weight is changed. */
const EVEN = () => 0.5;

function job(name: string, seconds: number, more: Partial<Job> = {}): Job {
  return { name, seconds, ...more };
}

/** Starts and ends jobs by their time, and returns the spans in which each ran. */
function simulate(
  jobs: Job[],
  options: { slotCount: number; random?: () => number },
): Map<string, { start: number; end: number }> {
  const { random = EVEN, slotCount } = options;
  const schedule = new Schedule(jobs, { slotCount, random });
  const spans = new Map<string, { start: number; end: number }>();
  const running = new Map<Job, number>();
  for (let now = 0;;) {
    for (let next = schedule.start(); next; next = schedule.start()) {
      running.set(next, now + next.seconds);
      spans.set(next.name, { start: now, end: now + next.seconds });
      assert.ok(running.size <= slotCount);
    }
    const [first] = [...running].sort(([, a], [, b]) => a - b);
    if (!first) return spans;
    now = first[1];
    running.delete(first[0]);
    schedule.end(first[0]);
  }
}

Deno.test("Schedule.start() starts the longest jobs first, as many as there are slots", () => {
  const schedule = new Schedule(
    [job("a", 1), job("b", 3), job("c", 2)],
    { slotCount: 2, random: EVEN },
  );
  const b = schedule.start();
  assert.equal(b?.name, "b");
  assert.equal(schedule.start()?.name, "c");
  assert.equal(schedule.start(), undefined);
  assert.ok(b);
  schedule.end(b);
  assert.equal(schedule.start()?.name, "a");
  assert.equal(schedule.start(), undefined);
});

Deno.test("Schedule.start() starts no job beside one of its group, and a long group early", () => {
  const spans = simulate([
    job("long", 90),
    job("timed-1", 40, { group: "timed" }),
    job("timed-2", 50, { group: "timed" }),
    job("timed-3", 30, { group: "timed" }),
    job("other", 20, { group: "other" }),
  ], { slotCount: 2 });
  assert.deepEqual(Object.fromEntries(spans), {
    "timed-2": { start: 0, end: 50 },
    "long": { start: 0, end: 90 },
    "timed-1": { start: 50, end: 90 },
    "timed-3": { start: 90, end: 120 },
    "other": { start: 90, end: 110 },
  });
});

Deno.test("Schedule.start() starts a job that runs alone when no other runs", () => {
  const spans = simulate([
    job("alone", 10, { isAlone: true }),
    job("a", 4),
    job("b", 3),
    job("also alone", 2, { isAlone: true }),
  ], { slotCount: 2 });
  const all = [...spans];
  for (const [name, { start, end }] of all) {
    if (!name.includes("alone")) continue;
    for (const [other, span] of all) {
      if (other === name) continue;
      assert.ok(span.end <= start || span.start >= end, `${other} and ${name}`);
    }
  }
  assert.equal(Math.max(...all.map(([, { end }]) => end)), 16);
});

Deno.test("Schedule.start() takes the order from the random numbers, and the long jobs stay early", () => {
  const jobs = Array.from(
    { length: 17 },
    (_, index) => job(`${index}`, 10 + 10 * index),
  );
  const orderOf = (seed: number) => {
    const random = createRandom(seed);
    return [
      ...simulate(jobs, { slotCount: 2, random: () => random.fraction() })
        .keys(),
    ];
  };
  assert.deepEqual(orderOf(1), orderOf(1));
  const orders = new Set(
    [1, 2, 3, 4, 5, 6].map((seed) => orderOf(seed).join()),
  );
  assert.equal(orders.size, 6);
  for (let seed = 1; seed <= 50; seed++) {
    const order = orderOf(seed);
    assert.deepEqual(order.toSorted(), jobs.map(({ name }) => name).toSorted());
    assert.ok(order.indexOf("16") < 10, `${seed}: ${order}`);
    assert.ok(order.indexOf("0") > 10, `${seed}: ${order}`);
  }
});

Deno.test("runJobs() runs every job once, as many side by side as there are slots, and yields what comes of each", async () => {
  const jobs = Array.from({ length: 5 }, (_, index) => job(`${index}`, index));
  const open = new Map<string, () => void>();
  let most = 0;
  const results: string[] = [];
  const schedule = new Schedule(jobs, { slotCount: 2, random: EVEN });
  const run = runJobs(schedule, async ({ name }) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    open.set(name, resolve);
    most = Math.max(most, open.size);
    await promise;
    open.delete(name);
    return `result of ${name}`;
  });
  for (;;) {
    const next = run.next();
    // The one that was started last ends first.
    [...open.values()].at(-1)?.();
    const { done, value } = await next;
    if (done) break;
    results.push(value);
  }
  assert.deepEqual(results, [3, 2, 1, 0, 4].map((one) => `result of ${one}`));
  assert.equal(most, 2);
});

Deno.test("runJobs() throws the error of a job after the others that run have ended, and starts no more", async () => {
  const started: string[] = [];
  const other = Promise.withResolvers<void>();
  const schedule = new Schedule(
    [job("fails", 3), job("other", 2), job("never", 1)],
    { slotCount: 2, random: EVEN },
  );
  const run = runJobs(schedule, async ({ name }) => {
    started.push(name);
    if (name === "fails") throw new Error("cause");
    await other.promise;
    started.push("end of other");
  });
  const failed = assert.rejects(run.next(), /cause/);
  other.resolve();
  await failed;
  assert.deepEqual(started, ["fails", "other", "end of other"]);
});
