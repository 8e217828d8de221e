// SPDX-License-Identifier: Apache-2.0
/** Tests mirror the sources: `lib/<room>/<file>.ts` has `tests/<room>/<file>_test.ts`. */
import assert from "node:assert/strict";
import { placeOf } from "../../dev/rules/access.ts";
import { ROOMS } from "../../dev/rules/rooms.ts";
import {
  type FileFacts,
  listFiles,
  readFacts,
} from "../../dev/rules/source_facts.ts";

const toTest = (path: string) =>
  path.replace(/^lib\//, "tests/").replace(/\.ts$/, "_test.ts");

const toSource = (path: string) =>
  path.replace(/^tests\//, "lib/").replace(/_test\.ts$/, ".ts");

/** Whether there is something to run: types and constants need no test. */
function hasLogic({ functions, classes }: FileFacts): boolean {
  return functions.length > 0 || classes.length > 0;
}

Deno.test("every file of lib/ with logic has a test file that registers a test", async () => {
  const sources = (await listFiles("lib/*.ts")).filter((path) =>
    !/\/(mod|_gen)\.ts$/.test(path)
  );
  const tests = await listFiles("tests/*_test.ts");
  const facts = await readFacts([...sources, ...tests]);
  const withLogic = sources.filter((path) => {
    const found = facts.get(path);
    return found && hasLogic(found);
  });
  assert.ok(withLogic.length > 150, `${withLogic.length} files with logic`);
  const problems = withLogic.filter((path) =>
    (facts.get(toTest(path))?.testCount ?? 0) === 0
  ).map((path) => `${path}: no test in ${toTest(path)}`);
  assert.deepEqual(problems, []);
});

Deno.test("every test file of a room has its source file", async () => {
  const sources = new Set(await listFiles("lib/*.ts"));
  const tests = (await listFiles("tests/*_test.ts")).filter((path) =>
    ROOMS.has(placeOf(toSource(path))?.room ?? "")
  );
  assert.ok(tests.length > 150, `${tests.length} test files`);
  assert.deepEqual(tests.filter((path) => !sources.has(toSource(path))), []);
});
