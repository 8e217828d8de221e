// SPDX-License-Identifier: Apache-2.0
/** The imports of all source files, as Deno resolves them, against the room table. */
import assert from "node:assert/strict";
import {
  checkLocalImport,
  checkPackage,
  type Place,
  placeOf,
} from "../../dev/rules/access.ts";
import {
  findCycles,
  type ImportEdge,
  type ImportGraph,
  readImportGraph,
} from "../../dev/rules/import_graph.ts";
import {
  ENTRIES,
  FREE_DENO_MEMBERS,
  FREE_MODULES,
  type RoomRule,
  ROOMS,
} from "../../dev/rules/rooms.ts";
import { listFiles, readFacts } from "../../dev/rules/source_facts.ts";

/** Of `main.ts`, `agent.ts` and `lib/`. */
let programs: ImportGraph;
/** Of all source files. */
let graph: ImportGraph;
Deno.test.beforeAll(async () => {
  graph = await readImportGraph({ files: await listFiles("*.ts") });
  const isProgram = (path: string) => placeOf(path) !== undefined;
  programs = {
    files: graph.files.filter(isProgram),
    edges: graph.edges.filter((edge) => isProgram(edge.from)),
  };
});

function mustPlace(path: string): Place {
  const place = placeOf(path);
  assert.ok(place, `${path} has no place`);
  return place;
}

/** Rooms and entries by name, with their rules. */
function allRules(): Map<string, RoomRule> {
  return new Map([...ROOMS, ...ENTRIES]);
}

function toGraph(
  edges: ImportEdge[],
  nameOf: (path: string) => string,
): Map<string, Set<string>> {
  const result = new Map<string, Set<string>>();
  for (const { from, file } of edges) {
    if (!file) continue;
    const [source, target] = [nameOf(from), nameOf(file)];
    const targets = result.get(source) ?? new Set();
    result.set(source, targets);
    // Files of one room import each other: that is no edge between rooms.
    if (source !== target || source === from) targets.add(target);
  }
  return result;
}

Deno.test("the import graph holds every file and each kind of import", () => {
  const has = (from: string, to: string, kind: Partial<ImportEdge>) =>
    assert.ok(
      graph.edges.some((edge) =>
        edge.from === from && (edge.file ?? edge.package) === to &&
        Object.entries(kind).every(([key, value]) =>
          edge[key as keyof ImportEdge] === value
        )
      ),
      `no edge ${from} → ${to} ${JSON.stringify(kind)}`,
    );
  assert.ok(graph.files.length > 200, `${graph.files.length} files`);
  assert.ok(graph.edges.length > 800, `${graph.edges.length} edges`);
  has("main.ts", "lib/operator/mod.ts", { isDynamic: true });
  has("main.ts", "lib/shared/base/mod.ts", { isTypeOnly: false });
  has("lib/shared/base/log.ts", "pino", { isTypeOnly: false });
  assert.ok(graph.edges.some((edge) => edge.isTypeOnly && edge.file));
});

Deno.test("every import obeys the room table", () => {
  const problems = programs.edges.map((edge) => {
    const place = mustPlace(edge.from);
    const problem = edge.file
      ? checkLocalImport(place, edge.file)
      : checkPackage(place, edge.package ?? "");
    return problem && `${edge.from}: ${problem}`;
  });
  assert.deepEqual(problems.filter(Boolean), []);
});

Deno.test("no files import each other in a cycle, types included", () => {
  assert.deepEqual(findCycles(toGraph(graph.edges, (path) => path)), []);
});

Deno.test("no rooms import each other in a cycle", () => {
  const rooms = toGraph(programs.edges, (path) => mustPlace(path).room);
  assert.deepEqual(findCycles(rooms), []);
  assert.ok(rooms.get("agent/pods")?.has("agent/runtime"));
});

Deno.test("dev/ and bench/ import only what stands below them, and nothing from tests/", () => {
  const below: Record<string, RegExp> = {
    "dev/base/": /^(dev\/base|lib\/shared\/base)\//,
    "dev/rules/": /^dev\/(rules|base)\//,
    "dev/testing/": /^(dev\/(testing|rules|base)|lib\/shared\/base)\//,
    "dev/build/": /^(dev\/(build|base)|lib\/shared\/base)\//,
    "dev/world/": /^(dev\/(world|build|base)|lib)\//,
    "dev/parity/": /^(dev\/(parity|world|base)|lib\/shared\/base)\//,
    "dev/": /^(dev|lib)\//,
    "bench/": /^(bench|dev|lib)\//,
  };
  let checkedCount = 0;
  for (const { from, file } of graph.edges) {
    const folder = Object.keys(below).find((name) => from.startsWith(name));
    if (!folder || !file) continue;
    assert.match(file, below[folder] ?? /^$/, from);
    checkedCount++;
  }
  assert.ok(checkedCount > 100, `${checkedCount} imports`);
});

Deno.test("each room imports only rooms that stand above it in the table", () => {
  const names = [...ROOMS.keys()];
  for (const [name, { imports }] of ROOMS) {
    for (const one of imports) {
      assert.ok(
        names.indexOf(one) >= 0 && names.indexOf(one) < names.indexOf(name),
        `${name} ▸ ${one}`,
      );
    }
  }
});

Deno.test("the table has a row for each folder with files, and no other row", () => {
  const folders = new Set(
    programs.files.filter((path) => path.startsWith("lib/"))
      .map((path) => mustPlace(path).room),
  );
  assert.deepEqual([...ROOMS.keys()].sort(), [...folders].sort());
  const entries = programs.files.filter((path) => !path.startsWith("lib/"));
  assert.deepEqual([...ENTRIES.keys()].sort(), entries.sort());
});

Deno.test("every permission of the table is used", async () => {
  const facts = await readFacts(
    programs.files.filter((path) => !path.endsWith("/_gen.ts")),
  );
  const used = new Map<string, Set<string>>();
  const add = (room: string, name: string) =>
    used.set(room, (used.get(room) ?? new Set()).add(name));
  for (const { from, file, package: name } of programs.edges) {
    add(mustPlace(from).room, file ? mustPlace(file).room : name ?? "");
  }
  for (const [path, { denoMembers }] of facts) {
    for (const name of denoMembers) add(mustPlace(path).room, `Deno.${name}`);
  }
  const unused = [...allRules()].flatMap(([room, rule]) =>
    [
      ...rule.imports,
      ...rule.packages ?? [],
      ...(rule.deno ?? []).map((name) => `Deno.${name}`),
    ].filter((name) => !used.get(room)?.has(name))
      .map((name) => `${room} ▸ ${name}`)
  );
  const everywhere = new Set([...used.values()].flatMap((one) => [...one]));
  const free = [
    ...FREE_MODULES,
    ...FREE_DENO_MEMBERS.map((name) => `Deno.${name}`),
  ].filter((name) => !everywhere.has(name));
  assert.deepEqual([...unused, ...free], []);
});

Deno.test("every runtime function that is used is in the table", async () => {
  const facts = await readFacts(
    programs.files.filter((path) => !path.endsWith("/_gen.ts")),
  );
  assert.ok(facts.get("agent.ts")?.denoMembers.includes("args"));
  const rules = allRules();
  const problems = [...facts].flatMap(([path, { denoMembers }]) => {
    const rule = rules.get(mustPlace(path).room);
    return denoMembers.filter((name) =>
      !rule?.deno?.includes(name) && !FREE_DENO_MEMBERS.includes(name)
    ).map((name) => `${path}: Deno.${name}`);
  });
  assert.deepEqual(problems, []);
});
