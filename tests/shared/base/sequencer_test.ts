// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { Sequencer } from "../../../lib/shared/base/sequencer.ts";

Deno.test("Sequencer.run() runs tasks of one key in order, also after a failure", async () => {
  const sequencer = new Sequencer();
  const order: string[] = [];
  const first = Promise.withResolvers<void>();
  const tasks = [
    sequencer.run("a", async () => {
      order.push("begin 1");
      await first.promise;
      order.push("end 1");
      throw new RangeError("failed");
    }),
    sequencer.run("a", () => {
      order.push("2");
      return Promise.resolve(2);
    }),
  ] as const;
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual(order, ["begin 1"]);
  first.resolve();
  await assert.rejects(tasks[0], /failed/);
  assert.equal(await tasks[1], 2);
  assert.deepEqual(order, ["begin 1", "end 1", "2"]);
});

Deno.test("Sequencer.run() runs tasks of different keys side by side", async () => {
  const sequencer = new Sequencer();
  const held = Promise.withResolvers<void>();
  const first = sequencer.run("a", () => held.promise);
  assert.equal(await sequencer.run("b", () => Promise.resolve("done")), "done");
  held.resolve();
  await first;
});

Deno.test("Sequencer keeps nothing of keys whose tasks have ended", async () => {
  const sequencer = new Sequencer();
  const tasks = [1, 2, 3].map((value) =>
    sequencer.run("a", () => Promise.resolve(value))
  );
  assert.equal(sequencer.size, 1);
  await sequencer.idle();
  assert.deepEqual(await Promise.all(tasks), [1, 2, 3]);
  assert.equal(sequencer.size, 0);
});
