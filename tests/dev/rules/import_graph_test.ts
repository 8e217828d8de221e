// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { dirname, join } from "../../../dev/base/paths.ts";
import {
  findCycles,
  readImportGraph,
} from "../../../dev/rules/import_graph.ts";

async function withTree(
  files: Record<string, string>,
  work: (root: string) => Promise<void>,
): Promise<void> {
  // Below a folder named lib, where a search for "/lib/" would find the wrong one.
  const parent = await Deno.makeTempDir({ prefix: "aranya-test-" });
  const root = join(parent, "lib/checkout");
  try {
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(dirname(join(root, path)), { recursive: true });
      await Deno.writeTextFile(join(root, path), text);
    }
    await work(root);
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
}

Deno.test("readImportGraph() gives static, type-only, dynamic and re-exporting imports of every file", async () => {
  await withTree({
    "deno.json":
      '{ "imports": { "path": "node:path", "#own": "./lib/a/mod.ts" } }',
    "main.ts": 'await import("./lib/a/mod.ts");',
    "lib/a/mod.ts": 'export * from "./x.ts";',
    "lib/a/x.ts": 'import type { Y } from "./y.ts"; export let y: Y;',
    "lib/a/y.ts": 'import { join } from "path"; export type Y = typeof join;',
    "lib/b/unused.ts": 'import { y } from "#own"; y;',
  }, async (root) => {
    const files = [
      "lib/a/mod.ts",
      "lib/a/x.ts",
      "lib/a/y.ts",
      "lib/b/unused.ts",
      "main.ts",
    ];
    const { edges } = await readImportGraph({ root, files });
    const plain = { isTypeOnly: false, isDynamic: false };
    assert.deepEqual(
      edges.toSorted((one, other) => one.from < other.from ? -1 : 1),
      [
        { from: "lib/a/mod.ts", file: "lib/a/x.ts", ...plain },
        { from: "lib/a/x.ts", file: "lib/a/y.ts", ...plain, isTypeOnly: true },
        { from: "lib/a/y.ts", package: "node:path", ...plain },
        { from: "lib/b/unused.ts", file: "lib/a/mod.ts", ...plain },
        { from: "main.ts", file: "lib/a/mod.ts", ...plain, isDynamic: true },
      ],
    );
  });
});

Deno.test("readImportGraph() throws when a file can't be parsed or found", async () => {
  const files = { "deno.json": "{}", "main.ts": "" };
  await withTree({ ...files, "lib/a/x.ts": "import {" }, async (root) => {
    await assert.rejects(
      readImportGraph({ root, files: ["lib/a/x.ts"] }),
      /lib\/a\/x\.ts/,
    );
  });
  await withTree(
    { ...files, "lib/a/x.ts": 'import "./none.ts";' },
    async (root) => {
      await assert.rejects(
        readImportGraph({ root, files: ["lib/a/x.ts"] }),
        /none\.ts/,
      );
    },
  );
});

Deno.test("findCycles() returns each group of nodes that reach each other", () => {
  const graph = (edges: Record<string, string[]>) =>
    new Map(Object.entries(edges).map(([key, to]) => [key, new Set(to)]));
  assert.deepEqual(findCycles(graph({ a: ["b", "c"], b: ["c"], c: [] })), []);
  assert.deepEqual(
    findCycles(graph({ a: ["b"], b: ["c"], c: ["b"], d: ["d"] })),
    [["b", "c"], ["d"]],
  );
  assert.deepEqual(findCycles(graph({ a: ["b"], b: ["c"], c: ["a"] })), [[
    "a",
    "b",
    "c",
  ]]);
});
