// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { packageOf, placeOf } from "../../../dev/rules/access.ts";

Deno.test("placeOf() finds the room when the repository lies below a folder named lib", () => {
  const root = "/usr/lib/projects/lib/aranya";
  const place = (path: string) => placeOf(`${root}/${path}`, root);
  assert.deepEqual(
    [place("lib/agent/pods/plan.ts")?.room, place("main.ts")?.room],
    ["agent/pods", "main.ts"],
  );
  assert.equal(
    place("lib/agent/pods/plan.ts")?.path,
    "lib/agent/pods/plan.ts",
  );
  assert.equal(place("tests/agent/pods/plan_test.ts"), undefined);
  assert.equal(place("dev/demo.ts"), undefined);
});

Deno.test("placeOf() takes a path from the root as it is", () => {
  assert.equal(placeOf("lib/shared/base/time.ts")?.room, "shared/base");
  assert.equal(placeOf("bench/mod.ts"), undefined);
});

Deno.test("placeOf() gives a file of an unknown folder no rule", () => {
  const place = placeOf("lib/unknown/x.ts");
  assert.equal(place?.room, "unknown");
  assert.equal(place?.rule, undefined);
});

Deno.test("packageOf() drops the path inside a package", () => {
  assert.equal(packageOf("@bufbuild/protobuf/wkt"), "@bufbuild/protobuf");
  assert.equal(packageOf("yaml"), "yaml");
  assert.equal(packageOf("node:assert/strict"), "node:assert/strict");
});
