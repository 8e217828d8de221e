// SPDX-License-Identifier: Apache-2.0
/** The rules of docs/architecture.md that a machine can check, beside those of the lint plugin. */
import assert from "node:assert/strict";
import { ROOT } from "../../dev/base/paths.ts";
import { judgeImport, placeOf } from "../../dev/rules/lint_plugin.ts";
import { ENTRIES, ROOMS } from "../../dev/rules/rooms.ts";

const MAX_LINES = 400;
const MAX_ENTRY_LINES = 120;
const MAX_ROOM_FILES = 14;

/** Files that git tracks or would add, by pattern. */
async function listFiles(...patterns: string[]): Promise<string[]> {
  const { stdout } = await new Deno.Command("git", {
    args: [
      "ls-files",
      "--cached",
      "--others",
      "--exclude-standard",
      "--",
      ...patterns,
    ],
    cwd: ROOT,
  }).output();
  const paths = new TextDecoder().decode(stdout).split("\n").filter((path) =>
    path !== ""
  );
  const present = await Promise.all(
    paths.map((path) =>
      Deno.stat(`${ROOT}/${path}`).then(() => true, () => false)
    ),
  );
  return [...new Set(paths.filter((_path, index) => present[index]))];
}

const read = (path: string) => Deno.readTextFile(`${ROOT}/${path}`);

/** Sources of the import and export declarations of a file. */
function importsOf(text: string): string[] {
  const sources = text.matchAll(
    /(?:^|\n)\s*(?:import|export)\b[^;"]*?from\s*"([^"]+)"|import\(\s*"([^"]+)"\s*\)|(?:^|\n)import\s+"([^"]+)"/g,
  );
  return [...sources].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
}

Deno.test("every source file begins with its SPDX id", async () => {
  for (const path of await listFiles("*.ts", "*.proto")) {
    assert.match(
      await read(path),
      /^\/\/ SPDX-License-Identifier: Apache-2\.0\n/,
      path,
    );
  }
});

Deno.test("no file is longer than the house allows", async () => {
  for (const path of await listFiles("*.ts")) {
    if (path.endsWith("_gen.ts")) continue;
    const lines = (await read(path)).split("\n").length - 1;
    const limit = path === "main.ts" || path === "agent.ts"
      ? MAX_ENTRY_LINES
      : MAX_LINES;
    assert.ok(lines <= limit, `${path} has ${lines} lines, at most ${limit}`);
  }
});

Deno.test("every room stands in the rule table and opens with an @module paragraph", async () => {
  const files = await listFiles("lib/*.ts");
  const rooms = new Set(files.map((path) => path.split("/")[1] ?? ""));
  assert.deepEqual([...rooms].sort(), Object.keys(ROOMS).sort());
  for (const room of rooms) {
    const text = await read(`lib/${room}/mod.ts`);
    assert.match(
      text.slice(0, 1_500),
      /\/\*\*[\s\S]*@module[\s\S]*?\*\//,
      `lib/${room}/mod.ts`,
    );
    const count = files.filter((path) =>
      path.startsWith(`lib/${room}/`)
    ).length;
    assert.ok(
      count <= MAX_ROOM_FILES,
      `lib/${room} has ${count} files, at most ${MAX_ROOM_FILES}`,
    );
  }
});

Deno.test("no permission of the rule table is unused", async () => {
  const used: Record<string, Set<string>> = {};
  const files = [...await listFiles("lib/*.ts"), "main.ts", "agent.ts"];
  for (const path of files) {
    const place = placeOf(path);
    const seen = used[place.room] ??= new Set();
    for (const source of importsOf(await read(path))) {
      const room = source.match(/(?:^\.\.\/|^\.\/lib\/)([a-z]+)\/mod\.ts$/)
        ?.[1];
      seen.add(
        room ??
          (source.startsWith("node:")
            ? source
            : source.split("/").slice(0, source.startsWith("@") ? 2 : 1).join(
              "/",
            )),
      );
    }
  }
  const stale: string[] = [];
  for (const [room, rule] of Object.entries(ROOMS)) {
    for (const name of [...rule.imports, ...rule.fences]) {
      if (!used[room]?.has(name)) stale.push(`${room} ▸ ${name}`);
    }
  }
  for (const [entry, rooms] of Object.entries(ENTRIES)) {
    for (const name of rooms) {
      if (!used[entry]?.has(name)) stale.push(`${entry} ▸ ${name}`);
    }
  }
  assert.deepEqual(stale, []);
});

Deno.test("the table in docs/architecture.md equals the rule table", async () => {
  const rows = (await read("docs/architecture.md")).matchAll(
    /^\| \[`(\w+)\/`\]\([^)]*\) \|[^|]*\| ([^|]*) \| ([^|]*) \|$/gm,
  );
  const cells = (text: string) =>
    text === "–"
      ? []
      : text.split(", ").map((word) => word.replaceAll("`", "").trim());
  const table = Object.fromEntries(
    [...rows].map((
      row,
    ) => [row[1], {
      imports: cells(row[2] ?? ""),
      fences: cells(row[3] ?? ""),
    }]),
  );
  assert.deepEqual(table, ROOMS);
});

Deno.test("every lib file with logic has its test, and every test its file", async () => {
  const sources = (await listFiles("lib/*.ts")).filter((path) =>
    !/\/(mod|_gen)\.ts$/.test(path)
  );
  const tests = new Set(await listFiles("tests/*_test.ts"));
  const missing: string[] = [];
  for (const path of sources) {
    const logic = /(?:^|\n)(?:export )?(?:async )?(?:function|class|const)\b/
      .test(await read(path));
    const test = path.replace(/^lib\//, "tests/").replace(/\.ts$/, "_test.ts");
    if (logic && !tests.has(test)) missing.push(test);
  }
  assert.deepEqual(missing, []);
  const orphans = [...tests].filter((path) => {
    const room = path.split("/")[1] ?? "";
    return room in ROOMS &&
      !sources.includes(
        path.replace(/^tests\//, "lib/").replace(/_test\.ts$/, ".ts"),
      );
  });
  assert.deepEqual(orphans, []);
});

Deno.test("every dependency has its line in docs/dependencies.md and an exact version", async () => {
  const { imports } = JSON.parse(await read("deno.json")) as {
    imports: Record<string, string>;
  };
  const text = await read("docs/dependencies.md");
  for (const [name, target] of Object.entries(imports)) {
    const version = target.match(/^npm:(@?[^@]+)@(\d+\.\d+\.\d+)(?:\/.*)?$/);
    assert.ok(version, `${name} is not pinned: ${target}`);
    assert.ok(
      text.includes(`\`${version[1]}\``),
      `docs/dependencies.md does not name ${version[1]}`,
    );
  }
});

Deno.test("judgeImport() refuses the other lane, a side door, a foreign fence and a room's own door", () => {
  const cases: [string, string, RegExp | undefined][] = [
    [
      "lib/agent/pods/plan.ts",
      "../device/mod.ts",
      /workload may not import device/,
    ],
    [
      "lib/operator/podspec/env.ts",
      "../kube/client.ts",
      /entered only through its mod\.ts/,
    ],
    ["lib/operator/podspec/env.ts", "@grpc/grpc-js", /not fenced in pod/],
    ["lib/operator/podspec/env.ts", "node:http", /node:http is fenced/],
    ["lib/operator/podspec/env.ts", "node:vm", /not in the rule table/],
    ["lib/operator/podspec/env.ts", "./mod.ts", /own room's mod\.ts/],
    ["lib/operator/podspec/env.ts", "../base/mod.ts", undefined],
    ["lib/connectivity/grpc.ts", "@grpc/grpc-js", undefined],
    ["main.ts", "./agent.ts", undefined],
    ["main.ts", "./lib/agent/pods/mod.ts", /main\.ts may not import workload/],
    ["agent.ts", "./lib/operator/kube/mod.ts", /agent\.ts may not import kube/],
  ];
  for (const [file, source, expected] of cases) {
    const message = judgeImport(placeOf(file), source);
    if (expected) assert.match(message ?? "", expected, `${file} ▸ ${source}`);
    else assert.equal(message, undefined, `${file} ▸ ${source}`);
  }
});
