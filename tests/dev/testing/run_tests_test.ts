// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { join, ROOT } from "../../../dev/base/paths.ts";
import { run } from "../../../dev/base/run.ts";
import { until } from "../../../dev/base/wait.ts";
import type { Results } from "../../../dev/testing/results.ts";
import type { RunTestsOptions } from "../../../dev/testing/run_tests.ts";

/**
 * Runs test files of these contents in another process, and returns the counts and what was shown.
 */
async function runTestsOf(
  files: Record<string, string>,
  options: Partial<RunTestsOptions> = {},
): Promise<{ results: Results; output: string }> {
  const folder = await Deno.makeTempDir({ prefix: "aranya-test-" });
  try {
    const paths: string[] = [];
    for (const [name, text] of Object.entries(files)) {
      paths.push(join(folder, name));
      await Deno.writeTextFile(join(folder, name), text);
    }
    const call = { title: "inner", files: paths, ...options };
    const script = `
      import { runTests } from "${join(ROOT, "dev/testing/run_tests.ts")}";
      const results = await runTests(${JSON.stringify(call)});
      await Deno.writeTextFile("${folder}/results", JSON.stringify(results));`;
    const output = await run("sh", {
      args: ["-c", '"$@" 2>&1', "sh", Deno.execPath(), "eval", script],
      cwd: ROOT,
      env: { NO_COLOR: "1" },
      timeoutMs: 240_000,
    });
    const results = JSON.parse(await Deno.readTextFile(`${folder}/results`));
    return { results, output };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function assertCounts(
  { passed, failed }: Results,
  expected: Pick<Results, "passed" | "failed">,
): void {
  assert.deepEqual({ passed, failed }, expected);
}

Deno.test("runTests() counts passed and failed tests of all files", async () => {
  const { results, output } = await runTestsOf({
    "a_test.ts": 'Deno.test("a", () => {});',
    "b_test.ts":
      'Deno.test("b", () => {}); Deno.test("c", () => { throw new Error("cause"); });',
  });
  assertCounts(results, { passed: 2, failed: 1 });
  assert.match(output, /== inner/);
  assert.match(output, /cause/);
  const [failure] = results.failures;
  assert.match(`${failure?.file}`, /\/b_test\.ts$/);
  assert.equal(failure?.title, "c");
  assert.match(`${failure?.message}`, /^Error: cause\n/);
  assert.deepEqual(results.times.map(({ file }) => file.slice(-9)), [
    "a_test.ts",
    "b_test.ts",
  ]);
});

Deno.test("runTests() counts a file that can't be loaded as a failure", async () => {
  const { results } = await runTestsOf({
    "a_test.ts": 'Deno.test("a", () => {});',
    "b_test.ts": 'throw new Error("not loaded");',
  });
  assertCounts(results, { passed: 1, failed: 1 });
  const [failure] = results.failures;
  assert.match(`${failure?.file}`, /\/b_test\.ts$/);
  assert.match(`${failure?.message}`, /^Error: not loaded\n/);
});

Deno.test("runTests() counts files of which one can't be read as a failure, and returns why", async () => {
  const { results, output } = await runTestsOf({
    "a_test.ts": 'Deno.test("a", () => {});',
    "b_test.ts": 'import "./absent.ts";',
  });
  assertCounts(results, { passed: 0, failed: 1 });
  assert.match(output, /Module not found/);
  const [failure] = results.failures;
  assert.equal(failure?.file, "inner");
  assert.match(`${failure?.message}`, /^Module not found .*absent\.ts/);
});

Deno.test("runTests() returns the time of the process for a single file", async () => {
  const { results } = await runTestsOf({
    "a_test.ts": 'Deno.test("a", () => {});',
  });
  assert.equal(results.times.length, 1);
  // Deno itself needs some milliseconds; the report contains 0.
  assert.ok((results.times[0]?.ms ?? 0) > 5, JSON.stringify(results));
});

Deno.test("runTests() fails a test at its deadline and goes on with the next file", async () => {
  const { results, output } = await runTestsOf({
    "a_test.ts": `Deno.test("a", () => {});
      Deno.test("hangs", () => new Promise((resolve) => setTimeout(resolve, 60_000)));`,
    "b_test.ts": 'Deno.test("b", () => {});',
  }, { testTimeoutMs: 3_000 });
  assertCounts(results, { passed: 2, failed: 1 });
  assert.match(output, /still running after 3000 ms/);
  const [failure] = results.failures;
  assert.equal(failure?.title, "hangs");
  assert.match(`${failure?.message}`, /still running after 3000 ms/);
});

Deno.test("runTests() counts what has ended when the process is killed, and names the test that it was in", async () => {
  const killAfter = (seconds: number) =>
    runTestsOf({
      "a_test.ts": `Deno.test("a", () => {});
      Deno.test("spins", () => { for (;;); });`,
    }, { timeoutMs: 1000 * seconds });
  let seconds = 2;
  let ended = await killAfter(seconds);
  // On a busy machine the process may be killed before its first test.
  while (ended.results.passed === 0 && seconds < 30) {
    seconds *= 4;
    ended = await killAfter(seconds);
  }
  const { results, output } = ended;
  assertCounts(results, { passed: 1, failed: 1 });
  const notice = `inner: killed after ${seconds}s`;
  assert.ok(output.includes(notice), output);
  assert.deepEqual(results.notices, [notice]);
  const [failure] = results.failures;
  assert.equal(failure?.title, "spins");
  assert.equal(failure?.message, "did not end");
});

Deno.test("runTests() kills and names processes that tests left behind", async () => {
  const { results, output } = await runTestsOf({
    "a_test.ts": `Deno.test("a", () => {
        new Deno.Command("setsid", { args: ["sh", "-c", "sleep 54321 & sleep 54321"] }).spawn().unref();
      });`,
  });
  assert.equal(results.passed + results.failed, 1);
  const pids = [...output.matchAll(/left process (\d+) behind: sleep 54321/g)]
    .map((match) => match[1]);
  assert.equal(pids.length, 2, output);
  assert.equal(
    results.notices.filter((one) => one.endsWith(": sleep 54321")).length,
    2,
  );
  await until(async () => {
    const states = await Promise.all(
      pids.map((pid) => Deno.readTextFile(`/proc/${pid}/stat`).catch(() => "")),
    );
    // Ended, or a zombie that its parent has not reaped.
    return states.every((state) => /^$|\) Z /.test(state));
  }, "the end of both processes");
});

Deno.test("runTests() returns where a test keeps its logs", async () => {
  const { results } = await runTestsOf({
    "a_test.ts": `Deno.test("a", () => {
      console.error("logs are kept in /var/tmp/x/logs");
      throw new Error("cause");
    });`,
  });
  assert.deepEqual(results.notices, [
    "inner: logs are kept in /var/tmp/x/logs",
  ]);
});

/** A test that prints two lines; the other file prints its first one between them. */
const chatty = (own: string, other: string) => `
  import { join } from "node:path";
  const folder = import.meta.dirname;
  Deno.test("${own}", async () => {
    console.log("${own} begins");
    await Deno.writeTextFile(join(folder, "${own}"), "");
    while (!await Deno.stat(join(folder, "${other}")).catch(() => undefined));
    console.error("${own} ends");
  });`;

Deno.test("runTests() shows buffered output as a whole, so that lines of two runs don't mix", async () => {
  const folder = await Deno.makeTempDir({ prefix: "aranya-test-" });
  try {
    await Deno.writeTextFile(`${folder}/a_test.ts`, chatty("a", "b"));
    await Deno.writeTextFile(`${folder}/b_test.ts`, chatty("b", "a"));
    const script = `
      import { runTests } from "${join(ROOT, "dev/testing/run_tests.ts")}";
      await Promise.all(["a", "b"].map((name) => runTests({
        title: name,
        files: ["${folder}/" + name + "_test.ts"],
        isBuffered: true,
      })));`;
    const output = await run("sh", {
      args: ["-c", '"$@" 2>&1', "sh", Deno.execPath(), "eval", script],
      cwd: ROOT,
      env: { NO_COLOR: "1" },
      timeoutMs: 240_000,
    });
    const found = output.match(/^== \w$|\w (begins|ends)|\d passed/gm);
    const [first, second] = found?.[0] === "== a" ? ["a", "b"] : ["b", "a"];
    const toLines = (name?: string) => [
      ...[`== ${name}`, `${name} begins`, `${name} ends`, "1 passed"],
    ];
    assert.deepEqual(found, [...toLines(first), ...toLines(second)], output);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
