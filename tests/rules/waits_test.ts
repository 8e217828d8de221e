// SPDX-License-Identifier: Apache-2.0
/** Tests wait for conditions with deadlines, never for a fixed time. */
import assert from "node:assert/strict";
import { readSources } from "../../dev/rules/signals.ts";

/** A wait of a fixed time that is not zero; zero gives others a turn. */
const FIXED_WAIT = new RegExp([
  String.raw`=>\s*\{?\s*setTimeout\(\s*resolve\w*\s*,(?!\s*0\s*[,)])`,
  String.raw`\bSYSTEM_CLOCK\.sleep\(\s*(?!0\s*[,)])[\w.]*[\d_A-Z]+\s*[,)]`,
  String.raw`(?:await|return|void)\s+(?:pause|delay|sleep)\(\s*(?!0\s*[,)])`,
].join("|"));

/** Waits that are not for a condition, with their number. */
const EXCEPTIONS: Record<string, { count: number; why: string }> = {
  "tests/agent/docker/images_test.ts": {
    count: 1,
    why: "the pace of a registry is what is tested",
  },
  "tests/dev/testing/run_tests_test.ts": {
    count: 1,
    why: "the text of a test that hangs",
  },
  "tests/shared/base/clock_test.ts": {
    count: 4,
    why: "the clock itself is tested",
  },
};

/** Attacks have a pace, and measure for a time. */
const EXEMPT_LANE = "tests/hostile/";

/** Returns the number of fixed waits in a text. */
function countWaits(text: string): number {
  return [...text.matchAll(new RegExp(FIXED_WAIT, "g"))].length;
}

Deno.test("tests wait for conditions, not for a fixed time", async () => {
  const found = (await readSources()).filter(({ path }) =>
    path.endsWith("_test.ts") && !path.startsWith(EXEMPT_LANE) &&
    !import.meta.url.endsWith(path)
  ).flatMap(({ path, lines }) => {
    const count = countWaits(lines.join("\n"));
    return count === 0 ? [] : [[path, count] as const];
  });
  assert.deepEqual(
    Object.fromEntries(found),
    Object.fromEntries(
      Object.entries(EXCEPTIONS).map(([path, { count }]) => [path, count]),
    ),
  );
});

Deno.test("the check finds fixed waits, and no turns of the event loop", () => {
  for (
    const text of [
      "await new Promise((resolve) => setTimeout(resolve, 20));",
      "await new Promise((resolve) =>\n  setTimeout(resolve, WAIT_MS)\n);",
      "await SYSTEM_CLOCK.sleep(2);",
      "await pause(100);",
      "await delay(5);",
    ]
  ) {
    assert.equal(countWaits(text), 1, text);
  }
  for (
    const text of [
      "await new Promise((resolve) => setTimeout(resolve));",
      "await new Promise((resolve) => setTimeout(resolve, 0));",
      "await SYSTEM_CLOCK.sleep(0);",
      "return SYSTEM_CLOCK.sleep(delayMs, options);",
      "await clock.sleep(5_000);",
      "await until(() => isDone);",
    ]
  ) {
    assert.equal(countWaits(text), 0, text);
  }
});
