// SPDX-License-Identifier: Apache-2.0
/**
 * `deno task test [pure|unit|e2e|hostile] [-- file…]`: prepares what the tests need, runs them, and
 * prints why tests failed, and `N passed, N failed` as its last line. Exit code 1 when a test
 * failed or nothing ran.
 *
 * - pure: unit tests that need neither root nor an API server nor Docker
 * - unit: all unit tests; installs and builds what is missing
 * - e2e: tests through kubectl, each file with its own world
 * - hostile: attacks on a running operator; without a part only the fast ones
 */
import { formatElapsed, print, warn } from "./base/terminal.ts";
import { kubernetesVersion, prepareBinaries } from "./build/binaries.ts";
import { prepareModules } from "./build/modules.ts";
import {
  byRoom,
  findEndToEndTests,
  findHostileTests,
  findPureTests,
  findUnitTests,
} from "./testing/discover.ts";
import { addResults, noResults, type Results } from "./testing/results.ts";
import { runTests } from "./testing/run_tests.ts";
import { toSummary } from "./testing/summary.ts";
import {
  clearLeftovers,
  prepareEngine,
  SHARED_KUBECONFIG,
  startCluster,
} from "./world/mod.ts";

const PARTS = ["pure", "unit", "e2e", "hostile"] as const;
type Part = typeof PARTS[number];

/** Deadline of a unit test. End-to-end tests have their own. */
const UNIT_TIMEOUT_MS = 120_000;

async function setUp(): Promise<void> {
  print(`== set-up: Kubernetes ${await kubernetesVersion()}, etcd, Docker`);
  await prepareModules();
  await prepareBinaries();
  const missing = await prepareEngine();
  if (missing) warn(`Tests of containers will fail: ${missing}`);
}

async function* runPureTests(): AsyncGenerator<Results> {
  yield await runTests({
    title: "pure tests",
    files: await findPureTests(),
    testTimeoutMs: UNIT_TIMEOUT_MS,
    isParallel: true,
  });
}

/** Runs all unit tests, with one API server for those that only read and write objects. */
async function* runUnitTests(): AsyncGenerator<Results> {
  await using cluster = await startCluster();
  const env = { [SHARED_KUBECONFIG]: cluster.kubeconfig };
  // A process for each room: one that crashes or hangs ends no other.
  for (const [title, files] of byRoom(await findUnitTests())) {
    yield await runTests({ title, files, env, testTimeoutMs: UNIT_TIMEOUT_MS });
  }
}

/** Runs end-to-end tests, with a process for each file. */
async function* runEndToEndTests(): AsyncGenerator<Results> {
  const version = await kubernetesVersion();
  for (const file of await findEndToEndTests()) {
    yield await runTests({
      title: `${file} on Kubernetes ${version}`,
      files: [file],
    });
  }
}

/** Runs attacks on an operator, with a process and an operator for each file. */
async function* runHostileTests(
  options: { fast?: boolean } = {},
): AsyncGenerator<Results> {
  for (const file of await findHostileTests(options)) {
    yield await runTests({ title: file, files: [file] });
  }
}

async function* runNamedTests(
  files: string[],
  part: Part | undefined,
): AsyncGenerator<Results> {
  yield await runTests({
    title: "named tests",
    files,
    ...part === "pure" || part === "unit"
      ? { testTimeoutMs: UNIT_TIMEOUT_MS }
      : {},
  });
}

async function* runPart(part: Part | undefined): AsyncGenerator<Results> {
  if (part === "pure") yield* runPureTests();
  if (part === "unit" || part === undefined) yield* runUnitTests();
  if (part === "e2e" || part === undefined) yield* runEndToEndTests();
  if (part === "hostile") yield* runHostileTests();
  if (part === undefined) yield* runHostileTests({ fast: true });
}

/** Runs what the arguments name. An error outside of the tests counts as a failure. */
async function runAll(total: Results): Promise<void> {
  const part = PARTS.find((one) => one === Deno.args[0]);
  const named = Deno.args.slice(part ? 1 : 0).filter((one) => one !== "--");
  try {
    if (part !== "pure") await setUp();
    const runs = named.length > 0 ? runNamedTests(named, part) : runPart(part);
    for await (const results of runs) addResults(total, results);
    await clearLeftovers();
    if (total.passed + total.failed === 0) {
      throw new Error("Cannot run tests: there are none");
    }
  } catch (error) {
    total.failed++;
    total.failures.push({
      file: "dev/test.ts",
      title: "(outside of the tests)",
      message: toText(error),
    });
  }
}

function toText(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}

if (import.meta.main) {
  const startMs = performance.now();
  const total = noResults();
  await runAll(total);
  for (const line of toSummary(total)) print(line);
  print(`\n== ${formatElapsed(performance.now() - startMs)}`);
  print(`${total.passed} passed, ${total.failed} failed`);
  Deno.exitCode = total.failed > 0 ? 1 : 0;
}
