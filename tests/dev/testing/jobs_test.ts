// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { findEndToEndTests } from "../../../dev/testing/discover.ts";
import {
  KNOWN_TOPICS,
  toFileJob,
  toRoomJobs,
} from "../../../dev/testing/jobs.ts";

Deno.test("toFileJob() knows each file of tests/e2e, and no other", async () => {
  const files = await findEndToEndTests();
  assert.deepEqual(
    files,
    KNOWN_TOPICS.map((topic) => `tests/e2e/${topic}_test.ts`).toSorted(),
  );
});

Deno.test("toFileJob() puts files that compare times, or keep the processors busy, into one group", () => {
  for (const topic of ["failover", "host", "outage", "recovery", "workload"]) {
    const file = `tests/e2e/${topic}_test.ts`;
    const { name, group, seconds } = toFileJob(file);
    assert.equal(name, file);
    assert.equal(group, "timed");
    assert.ok(seconds >= 60);
  }
  assert.equal(toFileJob("tests/e2e/access_test.ts").group, undefined);
});

Deno.test("toFileJob() takes a minute for a file that it does not know", () => {
  assert.deepEqual(toFileJob("/tmp/new_test.ts"), {
    name: "/tmp/new_test.ts",
    seconds: 60,
  });
});

Deno.test("toRoomJobs() puts rooms that share an API server and ports into one group", () => {
  const rooms = new Map([
    ["operator", ["tests/operator/term_test.ts"]],
    ["operator/kube", ["tests/operator/kube/informer_test.ts"]],
    ["engine", ["tests/engine/pods_test.ts"]],
    ["operators", []],
  ]);
  assert.deepEqual(
    toRoomJobs(rooms).map(({ name, group, files }) => [name, group, files]),
    [
      ["operator", "operator", ["tests/operator/term_test.ts"]],
      ["operator/kube", "operator", ["tests/operator/kube/informer_test.ts"]],
      ["engine", undefined, ["tests/engine/pods_test.ts"]],
      ["operators", undefined, []],
    ],
  );
});
