// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  isOverloaded,
  ReviewPool,
} from "../../../lib/operator/kubelet/review_pool.ts";

/** A pool with reviews that the test ends. */
function createPool(options: { maxRunningCount: number; maxCount: number }) {
  const pool = new ReviewPool(options);
  const started: string[] = [];
  const ends = new Map<string, (error?: Error) => void>();
  const run = (name: string, source = "a") => {
    const result = pool.run(source, () => {
      started.push(name);
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      ends.set(name, (error) => error ? reject(error) : resolve(name));
      return promise;
    });
    result.catch(() => {});
    return result;
  };
  const end = (name: string, error?: Error) => ends.get(name)?.(error);
  return { run, end, started };
}

Deno.test("ReviewPool.run() runs reviews in their order, few at a time, also after one that failed", async () => {
  const { run, end, started } = createPool({ maxRunningCount: 2, maxCount: 9 });
  const results = ["1", "2", "3", "4"].map((name) => run(name));
  await Promise.resolve();
  assert.deepEqual(started, ["1", "2"]);
  end("2", new Error("failed"));
  await assert.rejects(results[1] ?? Promise.resolve(), /failed/);
  assert.deepEqual(started, ["1", "2", "3"]);
  for (const name of ["1", "3"]) end(name);
  assert.equal(await results[0], "1");
  await results[2];
  end("4");
  assert.equal(await results[3], "4");
});

Deno.test("ReviewPool.run() rejects when too many wait, and accepts again afterwards", async () => {
  const { run, end } = createPool({ maxRunningCount: 1, maxCount: 2 });
  const first = run("1");
  const second = run("2");
  await assert.rejects(run("3"), (error) => {
    assert.equal(isOverloaded(error), true);
    return true;
  });
  await Promise.resolve();
  end("1");
  await first;
  await Promise.resolve();
  end("2");
  await second;
  const fourth = run("4");
  await Promise.resolve();
  end("4");
  await fourth;
});

Deno.test("ReviewPool.run() gives a new source the place of one that waits, of the source with most", async () => {
  const { run, end, started } = createPool({ maxRunningCount: 1, maxCount: 4 });
  const running = run("x0", "x");
  const waiting = ["x1", "x2", "x3"].map((name) => run(name, "x"));
  // The oldest of x runs already: it only loses its place in the count.
  const honest = run("h1", "h");
  const other = run("i1", "i");
  await assert.rejects(waiting[0] ?? running, isOverloaded);
  await Promise.resolve();
  for (const name of ["x0", "x2", "x3", "h1", "i1"]) {
    end(name);
    await Promise.resolve();
    await Promise.resolve();
    await Promise.resolve();
    await Promise.resolve();
  }
  assert.deepEqual(await Promise.all([running, honest, other]), [
    "x0",
    "h1",
    "i1",
  ]);
  assert.deepEqual(started, ["x0", "x2", "x3", "h1", "i1"]);
});
