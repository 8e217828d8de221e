// SPDX-License-Identifier: Apache-2.0
/** Finds test files, and which of them need more than Deno. */
import { dirname, join, ROOT } from "../base/paths.ts";
import { readImportGraph } from "../rules/import_graph.ts";

/** Launchers of the real parts: a test that imports one needs its programs, and often root. */
const LAUNCHERS = [
  "dev/world/apiserver.ts",
  "dev/world/dockerd.ts",
  "dev/world/network.ts",
];

/**
 * Tests that import no launcher, but mount file systems or change owners, for which they must be
 * root.
 */
const ROOT_ONLY = [
  "tests/agent/host/tmpfs_test.ts",
  "tests/agent/state/disk_test.ts",
  "tests/agent/state/store_test.ts",
  "tests/agent/volumes/files_volume_test.ts",
  "tests/agent/volumes/volumes_test.ts",
];

/** Part of the hostile-peer suite that runs with all other tests. */
const FAST_HOSTILE = [
  "tests/hostile/device_test.ts",
  "tests/hostile/pages_test.ts",
];

/** Tests that run the other checks of `deno task ok`. */
const GATE = "tests/rules/gate_test.ts";

/** Returns the unit test files, as sorted paths from the root. */
export async function findUnitTests(): Promise<string[]> {
  return await findTests("tests", ["tests/e2e", "tests/hostile"]);
}

/**
 * Returns the files of the hostile-peer suite, as sorted paths from the root; with `fast` only
 * {@linkcode FAST_HOSTILE}.
 */
export async function findHostileTests(
  options: { fast?: boolean } = {},
): Promise<string[]> {
  const found = await findTests("tests/hostile");
  return options.fast
    ? found.filter((one) => FAST_HOSTILE.includes(one))
    : found;
}

/** Returns the end-to-end test files, as sorted paths from the root. */
export async function findEndToEndTests(): Promise<string[]> {
  return await findTests("tests/e2e");
}

/**
 * Returns those unit tests that need neither root nor an API server nor Docker, and not {@linkcode
 * GATE}.
 */
export async function findPureTests(): Promise<string[]> {
  const tests = await findUnitTests();
  const files = (await Promise.all(
    ["tests", "dev", "lib"].map((folder) => findFiles(folder, ".ts")),
  )).flat();
  const { edges } = await readImportGraph({ files });
  const imports = new Map<string, string[]>();
  for (const { from, file, isTypeOnly } of edges) {
    if (file && !isTypeOnly) {
      imports.set(from, [...imports.get(from) ?? [], file]);
    }
  }
  return tests.filter((test) =>
    test !== GATE && !ROOT_ONLY.includes(test) &&
    !LAUNCHERS.some((launcher) => reaches(imports, test, launcher))
  );
}

function reaches(
  imports: ReadonlyMap<string, string[]>,
  from: string,
  target: string,
): boolean {
  const seen = new Set<string>();
  const open = [from];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next === target) return true;
    if (seen.has(next)) continue;
    seen.add(next);
    open.push(...imports.get(next) ?? []);
  }
  return false;
}

/** Groups test files by their folder below `tests/`. */
export function byRoom(files: string[]): Map<string, string[]> {
  return Map.groupBy(files, (file) => dirname(file).slice("tests/".length));
}

async function findTests(
  folder: string,
  except: string[] = [],
): Promise<string[]> {
  const found = await findFiles(folder, "_test.ts");
  return found.filter((path) =>
    !except.some((one) => path.startsWith(`${one}/`))
  );
}

async function findFiles(folder: string, suffix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(join(ROOT, folder))) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) found.push(...await findFiles(path, suffix));
    else if (entry.name.endsWith(suffix)) found.push(path);
  }
  return found.sort();
}
