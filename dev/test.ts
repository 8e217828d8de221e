// SPDX-License-Identifier: Apache-2.0
/**
 * `deno task test [unit|e2e] [-- file…]`: set-up, unit tests, end-to-end tests, and one line that sums up: `N passed, N failed`.
 * Exit code 1 when a test failed, when a file could not be run, or when nothing ran.
 */
import { kubernetesVersion, prepareBinaries } from "./build/binaries.ts";
import { SHARED_KUBECONFIG, startCluster } from "./world/cluster.ts";
import { countResults, type Results } from "./junit.ts";
import { clearLeftovers } from "./world/leftovers.ts";
import { prepareEngine } from "./world/dockerd.ts";
import { prepareModules } from "./build/modules.ts";
import { dirname, join, ROOT } from "./base/paths.ts";
import { formatElapsed, print, warn } from "./base/terminal.ts";

const FLAGS = [
  "-A",
  "--no-check",
  "--sanitize-ops",
  "--sanitize-resources",
  "--trace-leaks",
];

const END_TO_END = join(ROOT, "tests/e2e");

/** One `deno test` that takes longer hangs. */
const TIMEOUT_MS = 10 * 60_000;

/** The test files of a folder and below, sorted. */
export async function findTests(
  folder: string,
  options: { except?: string } = {},
): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    const path = join(folder, entry.name);
    if (path === options.except) continue;
    if (entry.isDirectory) found.push(...await findTests(path, options));
    else if (entry.name.endsWith("_test.ts")) found.push(path);
  }
  return found.sort();
}

/** The files under the folder of `tests/` that they are in. */
function byRoom(files: string[]): Map<string, string[]> {
  const rooms = new Map<string, string[]>();
  for (const file of files) {
    const room = dirname(file).slice(join(ROOT, "tests").length + 1);
    rooms.set(room, [...rooms.get(room) ?? [], file]);
  }
  return rooms;
}

/** Runs test files in one `deno test`, whose output is shown as it comes. */
async function runTests(
  title: string,
  files: string[],
  env: Record<string, string> = {},
): Promise<Results> {
  if (files.length === 0) return { passed: 0, failed: 0 };
  print(`\n== ${title}`);
  const report = await Deno.makeTempFile({ suffix: ".xml" });
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: ["test", ...FLAGS, `--junit-path=${report}`, ...files],
      cwd: ROOT,
      env,
      stdin: "null",
      signal: timeout,
    }).spawn().status;
    if (timeout.aborted) {
      warn(`${title}: no end after ${formatElapsed(TIMEOUT_MS)}`);
    }
    const results = countResults(await Deno.readTextFile(report));
    // A file that can't be loaded, or a hook that throws, is in no report.
    if (!success && results.failed === 0) results.failed = 1;
    return results;
  } finally {
    await Deno.remove(report);
  }
}

/** What unit tests need: an API server and its etcd, nothing that runs containers. */
async function prepareControlPlane(): Promise<void> {
  await prepareModules();
  await prepareBinaries();
}

async function setUp(): Promise<string | undefined> {
  print(`== set-up: Kubernetes ${await kubernetesVersion()}, etcd, Docker`);
  await prepareControlPlane();
  return await prepareEngine();
}

/** All unit tests, with one API server for those that need none to themselves. */
async function runUnitTests(add: (results: Results) => void): Promise<void> {
  const files = await findTests(join(ROOT, "tests"), { except: END_TO_END });
  await using cluster = await startCluster();
  const env = { [SHARED_KUBECONFIG]: cluster.kubeconfig };
  // A process for each room: one that hangs or crashes takes no other along.
  for (const [room, named] of byRoom(files)) {
    add(await runTests(room, named, env));
  }
}

async function main(): Promise<number> {
  const startMs = performance.now();
  const [first, ...rest] = Deno.args;
  const part = first === "unit" || first === "e2e" ? first : "all";
  const named = (part === "all" ? Deno.args : rest).filter((one) =>
    one !== "--"
  );
  if (part === "unit") {
    print(`== set-up: Kubernetes ${await kubernetesVersion()}, etcd`);
    await prepareControlPlane();
  } else {
    const missing = await setUp();
    if (missing) warn(`Tests of containers will fail: ${missing}`);
  }
  const total: Results = { passed: 0, failed: 0 };
  const add = (results: Results) => {
    total.passed += results.passed;
    total.failed += results.failed;
  };
  if (named.length > 0) add(await runTests("named tests", named));
  else {
    if (part !== "e2e") await runUnitTests(add);
    if (part !== "unit") {
      const version = await kubernetesVersion();
      // A process for each file: one that hangs or crashes takes no other along.
      for (const file of await findTests(END_TO_END)) {
        const name = file.slice(END_TO_END.length + 1);
        add(await runTests(`${name} on Kubernetes ${version}`, [file]));
      }
    }
  }
  await clearLeftovers();
  print(`\n== ${formatElapsed(performance.now() - startMs)}`);
  if (total.passed + total.failed === 0) warn("Nothing ran.");
  print(`${total.passed} passed, ${total.failed} failed`);
  return total.failed > 0 || total.passed === 0 ? 1 : 0;
}

if (import.meta.main) {
  try {
    Deno.exitCode = await main();
  } catch (error) {
    warn(error instanceof Error ? error.message : String(error));
    print("0 passed, 1 failed");
    Deno.exitCode = 1;
  }
}
