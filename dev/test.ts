// SPDX-License-Identifier: Apache-2.0
/**
 * `deno task test [pure|unit|e2e|hostile] [--seed N] [--runs N] [-- file…]`: prepares what the
 * tests need, runs them, and prints why tests failed, and `N passed, N failed` as its last line.
 * Exit code 1 when a test failed or nothing ran.
 *
 * - pure: unit tests that need neither root nor an API server nor Docker
 * - unit: all unit tests; installs and builds what is missing
 * - e2e: tests through kubectl, each file with its own world, two at a time
 * - hostile: attacks on a running operator; without a part only the fast ones
 * - `--seed N`: the order of the end-to-end files, and thereby which run side by side; drawn and
 *   printed when absent
 * - `--runs N`: only for e2e: as many runs, with seeds that follow from the first
 */
import { createRandom } from "./base/random.ts";
import { formatElapsed, print, warn } from "./base/terminal.ts";
import { kubernetesVersion, prepareBinaries } from "./build/binaries.ts";
import { prepareModules } from "./build/modules.ts";
import {
  MAX_SEED,
  parseTestArguments,
  type Part,
  type TestArguments,
} from "./testing/arguments.ts";
import {
  byRoom,
  findEndToEndTests,
  findHostileTests,
  findPureTests,
  findUnitTests,
} from "./testing/discover.ts";
import { toFileJob, toRoomJobs } from "./testing/jobs.ts";
import { addResults, noResults, type Results } from "./testing/results.ts";
import { runTests } from "./testing/run_tests.ts";
import { runJobs, Schedule } from "./testing/schedule.ts";
import { type SoakRun, toSeeds, toSoakTable } from "./testing/soak.ts";
import { stopOnSignals } from "./testing/stop.ts";
import { toSummary } from "./testing/summary.ts";
import {
  clearLeftovers,
  prepareEngine,
  SHARED_KUBECONFIG,
  startCluster,
} from "./world/mod.ts";

/**
 * Deadline of a unit test; the type check of everything is the longest. End-to-end tests have their
 * own.
 */
const UNIT_TIMEOUT_MS = 600_000;
/** Rooms run one after the other: their tests keep two cores busy. */
const ROOM_SLOTS = 1;
/** How many end-to-end files run at the same time. They need 0.6 cores: most of it is waiting. */
const FILE_SLOTS = 2;

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
  const jobs = toRoomJobs(byRoom(await findUnitTests()));
  const schedule = new Schedule(jobs, {
    slotCount: ROOM_SLOTS,
    random: () => 0,
  });
  yield* runJobs(schedule, ({ name, files }) =>
    runTests({
      title: ["tests", name].filter(Boolean).join("/"),
      files,
      env,
      testTimeoutMs: UNIT_TIMEOUT_MS,
      isBuffered: true,
    }));
}

/** Runs end-to-end tests, with a process for each file, in the order that the seed decides. */
async function* runEndToEndTests(
  { files, seed }: { files: string[]; seed: number },
): AsyncGenerator<Results> {
  const version = await kubernetesVersion();
  const random = createRandom(seed);
  const schedule = new Schedule(files.map(toFileJob), {
    slotCount: FILE_SLOTS,
    random: () => random.fraction(),
  });
  print(`\n== ${files.length} end-to-end files, --seed ${seed}`);
  yield* runJobs(schedule, async ({ name }) => {
    const others = schedule.running.filter((one) => one.name !== name);
    const beside = others.map((one) => `, beside ${one.name}`).join("");
    print(`\n== ${name} begins${beside}`);
    return await runTests({
      title: `${name} on Kubernetes ${version}`,
      files: [name],
      isBuffered: true,
    });
  });
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

async function* runPart(
  { part, seed }: { part: Part | undefined; seed: number },
): AsyncGenerator<Results> {
  if (part === "pure") yield* runPureTests();
  if (part === "unit" || part === undefined) yield* runUnitTests();
  if (part === "e2e" || part === undefined) {
    yield* runEndToEndTests({ files: await findEndToEndTests(), seed });
  }
  if (part === "hostile") yield* runHostileTests();
  if (part === undefined) yield* runHostileTests({ fast: true });
}

/** Adds what comes of tests. An error outside of them counts as a failure. */
async function collect(
  total: Results,
  runs: AsyncIterable<Results>,
): Promise<void> {
  try {
    for await (const results of runs) addResults(total, results);
    if (total.passed + total.failed === 0) {
      throw new Error("Cannot run tests: there are none");
    }
  } catch (error) {
    total.failed++;
    total.failures.push({
      file: "dev/test.ts",
      title: "(outside of the tests)",
      message: error instanceof Error
        ? error.stack ?? error.message
        : String(error),
    });
  }
}

/** Runs the end-to-end tests several times in different orders. */
async function runSoak(
  { files: named, runCount }: TestArguments,
  seed: number,
): Promise<SoakRun[]> {
  const files = named.length > 0 ? named : await findEndToEndTests();
  const runs: SoakRun[] = [];
  for (const one of toSeeds(seed, runCount)) {
    const startMs = performance.now();
    const results = noResults();
    await collect(results, runEndToEndTests({ files, seed: one }));
    runs.push({ seed: one, ms: performance.now() - startMs, results });
    for (const line of toSoakTable(runs)) print(line);
  }
  return runs;
}

async function main(): Promise<number> {
  const startMs = performance.now();
  const wanted = parseTestArguments(Deno.args);
  const { part, files, runCount } = wanted;
  const seed = wanted.seed ?? 1 + Math.floor(Math.random() * MAX_SEED);
  const total = noResults();
  let table: string[] = [];
  await collect(
    total,
    async function* () {
      if (part !== "pure") await setUp();
      stopOnSignals();
      if (runCount > 1) {
        const runs = await runSoak(wanted, seed);
        for (const { results } of runs) yield results;
        table = toSoakTable(runs);
      } else if (files.length === 0) yield* runPart({ part, seed });
      else if (wanted.seed) yield* runEndToEndTests({ files, seed });
      else yield* runNamedTests(files, part);
      await clearLeftovers();
    }(),
  );
  for (const line of [...toSummary(total), ...table]) print(line);
  const isOrdered = wanted.seed !== undefined || runCount > 1 ||
    files.length === 0 && (part ?? "e2e") === "e2e";
  const elapsed = formatElapsed(performance.now() - startMs);
  print(`\n== ${elapsed}${isOrdered ? `, --seed ${seed}` : ""}`);
  print(`${total.passed} passed, ${total.failed} failed`);
  return total.failed > 0 ? 1 : 0;
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
