// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { findEndToEndTests } from "../../../dev/testing/discover.ts";
import {
  KNOWN_TOPICS,
  toEndToEndJob,
} from "../../../dev/testing/end_to_end.ts";

Deno.test("toEndToEndJob() knows each file of tests/e2e, and no other", async () => {
  const files = await findEndToEndTests();
  assert.deepEqual(
    files,
    KNOWN_TOPICS.map((topic) => `tests/e2e/${topic}_test.ts`).toSorted(),
  );
});

Deno.test("toEndToEndJob() puts files that compare times into one group", () => {
  for (const topic of ["failover", "outage", "recovery"]) {
    const file = `tests/e2e/${topic}_test.ts`;
    const { name, group, seconds } = toEndToEndJob(file);
    assert.equal(name, file);
    assert.equal(group, "timed");
    assert.ok(seconds > 60);
  }
  assert.equal(toEndToEndJob("tests/e2e/access_test.ts").group, undefined);
});

Deno.test("toEndToEndJob() takes a minute for a file that it does not know", () => {
  assert.deepEqual(toEndToEndJob("/tmp/new_test.ts"), {
    name: "/tmp/new_test.ts",
    seconds: 60,
  });
});
