// SPDX-License-Identifier: Apache-2.0
/** Names of exported types are unique, so that a search finds one declaration. */
import assert from "node:assert/strict";
import { readSources } from "../../dev/rules/signals.ts";

Deno.test("every exported class and interface has its own name", async () => {
  const sources = await readSources();
  const paths = new Map<string, string[]>();
  for (const { path, facts } of sources) {
    for (const name of facts.exportedTypes) {
      paths.set(name, [...paths.get(name) ?? [], path]);
    }
  }
  assert.ok(paths.size > 300, `${paths.size} names`);
  const duplicates = [...paths].filter(([, where]) => where.length > 1)
    .map(([name, where]) => `${name}: ${where.join(", ")}`);
  assert.deepEqual(duplicates, []);
});
