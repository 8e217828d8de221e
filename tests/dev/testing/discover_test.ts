// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  byRoom,
  findEndToEndTests,
  findHostileTests,
  findPureTests,
  findUnitTests,
} from "../../../dev/testing/discover.ts";

Deno.test("findPureTests() leaves out tests that need an API server, Docker or root, and the gate", async () => {
  const pure = await findPureTests();
  for (
    const path of [
      "tests/shared/base/time_test.ts",
      "tests/agent/pods/plan_test.ts",
      "tests/rules/import_graph_test.ts",
    ]
  ) assert.ok(pure.includes(path), path);
  for (
    const path of [
      "tests/operator/kube/informer_test.ts",
      "tests/agent/docker/exec_test.ts",
      "tests/agent/volumes/volumes_test.ts",
      "tests/dev/world/network_test.ts",
      "tests/rules/gate_test.ts",
    ]
  ) assert.equal(pure.includes(path), false, path);
});

Deno.test("findUnitTests(), findEndToEndTests() and findHostileTests() find all tests between them", async () => {
  const [unit, endToEnd] = [await findUnitTests(), await findEndToEndTests()];
  const hostile = await findHostileTests();
  assert.ok(unit.length > 200, `${unit.length} files`);
  assert.ok(endToEnd.length > 8, `${endToEnd.length} files`);
  assert.ok(endToEnd.every((path) => path.startsWith("tests/e2e/")));
  assert.equal(unit.some((path) => path.startsWith("tests/e2e/")), false);
  assert.ok(hostile.length > 2, `${hostile.length} files`);
  assert.ok(hostile.every((path) => path.startsWith("tests/hostile/")));
  assert.equal(unit.some((path) => path.startsWith("tests/hostile/")), false);
  assert.deepEqual(await findHostileTests({ fast: true }), [
    "tests/hostile/device_test.ts",
    "tests/hostile/pages_test.ts",
  ]);
});

Deno.test("byRoom() groups files by folder", () => {
  assert.deepEqual([
    ...byRoom([
      "tests/a/b/x_test.ts",
      "tests/a/b/y_test.ts",
      "tests/c/z_test.ts",
    ]),
  ], [["a/b", ["tests/a/b/x_test.ts", "tests/a/b/y_test.ts"]], [
    "c",
    ["tests/c/z_test.ts"],
  ]]);
});
