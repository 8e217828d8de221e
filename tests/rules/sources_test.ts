// SPDX-License-Identifier: Apache-2.0
/** Rules for the text of source files. */
import assert from "node:assert/strict";
import { join, ROOT } from "../../dev/base/paths.ts";
import { listFiles, readFacts } from "../../dev/rules/source_facts.ts";

const read = (path: string) => Deno.readTextFile(join(ROOT, path));

Deno.test("every source file begins with its SPDX id", async () => {
  const paths = await listFiles("*.ts", "*.proto");
  assert.ok(paths.length > 400, `${paths.length} files`);
  for (const path of paths) {
    assert.match(
      await read(path),
      /^\/\/ SPDX-License-Identifier: Apache-2\.0\n/,
      path,
    );
  }
});

Deno.test("no file of the programs switches lint or type checks off", async () => {
  const paths = (await listFiles("lib/*.ts", "main.ts", "agent.ts"))
    .filter((path) => !path.endsWith("/_gen.ts"));
  const facts = await readFacts(paths);
  /** Rules that may be switched off for one line: they have no other way out. */
  const allowed = /^\s*deno-lint-ignore no-control-regex$/;
  const problems = [...facts].flatMap(([path, { comments }]) =>
    comments.filter(({ text }) =>
      /deno-lint-ignore|@ts-(?:ignore|expect-error|nocheck)/.test(text) &&
      !allowed.test(text)
    ).map(({ firstLine, text }) => `${path}:${firstLine}${text}`)
  );
  assert.deepEqual(problems, []);
});

Deno.test("every room's mod.ts begins with an @module paragraph", async () => {
  const paths = await listFiles("lib/**/mod.ts");
  assert.ok(paths.length > 20, `${paths.length} rooms`);
  const facts = await readFacts(paths);
  for (const [path, { comments }] of facts) {
    assert.match(comments[1]?.text ?? "", /^\*[\s\S]*@module/, path);
    assert.equal(comments[1]?.firstLine, 2, path);
  }
});

Deno.test("every dependency has its line in docs/dependencies.md and an exact version", async () => {
  const { imports } = JSON.parse(await read("deno.json")) as {
    imports: Record<string, string>;
  };
  const text = await read("docs/dependencies.md");
  assert.ok(Object.keys(imports).length > 5);
  for (const [name, target] of Object.entries(imports)) {
    const version = target.match(/^npm:(@?[^@]+)@(\d+\.\d+\.\d+)(?:\/.*)?$/);
    assert.ok(version, `${name} is not pinned: ${target}`);
    assert.ok(
      text.includes(`\`${version[1]}\``),
      `docs/dependencies.md does not name ${version[1]}`,
    );
  }
});

Deno.test("every metric is named like one of Prometheus and has its row in docs/metrics.md", async () => {
  const counted = new Map<string, string>();
  for (const path of await listFiles("lib/*.ts")) {
    const calls = (await read(path)).matchAll(
      /[mM]eter\??\.(count|set|time)\(\s*"([^"]+)"/g,
    );
    for (const [, kind = "", name = ""] of calls) counted.set(name, kind);
  }
  assert.ok(counted.size > 10, `${counted.size} metrics`);
  const suffixes = { count: "_total", set: "", time: "_seconds" };
  for (const [name, kind] of counted) {
    const suffix = suffixes[kind as keyof typeof suffixes];
    assert.match(name, new RegExp(`^(aranya|process)_[a-z_]+${suffix}$`));
  }
  const rows = (await read("docs/metrics.md")).matchAll(/^\| `([a-z_]+)` \|/gm);
  const documented = [...rows].map(([, name]) => name);
  assert.deepEqual(documented.sort(), [...counted.keys()].sort());
});
