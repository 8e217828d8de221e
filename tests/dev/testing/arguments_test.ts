// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { parseTestArguments } from "../../../dev/testing/arguments.ts";

Deno.test("parseTestArguments() returns part, files, seed and number of runs", () => {
  assert.deepEqual(parseTestArguments([]), {
    part: undefined,
    files: [],
    seed: undefined,
    runCount: 1,
  });
  assert.deepEqual(
    parseTestArguments(["unit", "--", "a_test.ts", "b_test.ts"]),
    {
      part: "unit",
      files: ["a_test.ts", "b_test.ts"],
      seed: undefined,
      runCount: 1,
    },
  );
  for (
    const args of [
      ["e2e", "--runs", "6", "--seed", "42", "a_test.ts"],
      ["e2e", "a_test.ts", "--", "--runs=6", "--seed=42"],
      // The flags after `--` come from the command line, those before from the task.
      ["e2e", "--runs", "3", "--", "--runs", "6", "--seed", "42", "a_test.ts"],
    ]
  ) {
    assert.deepEqual(parseTestArguments(args), {
      part: "e2e",
      files: ["a_test.ts"],
      seed: 42,
      runCount: 6,
    });
  }
  assert.equal(parseTestArguments(["--seed", "7"]).seed, 7);
});

for (
  const [args, message] of [
    [
      ["e2e", "--seed", "x"],
      "Cannot use --seed x: not a whole number from 1 to 999999",
    ],
    [
      ["e2e", "--seed", "0"],
      "Cannot use --seed 0: not a whole number from 1 to 999999",
    ],
    [
      ["e2e", "--runs", "1.5"],
      "Cannot use --runs 1.5: not a whole number from 1 to 1000",
    ],
    [
      ["unit", "--seed", "1"],
      "Cannot use --seed: only the end-to-end tests have one",
    ],
    [["--runs", "2"], "Cannot use --runs: expected part e2e"],
    [["e2e", "--sed", "1"], "Unknown option '--sed'"],
  ] as const
) {
  Deno.test(`parseTestArguments() refuses ${args.join(" ")}`, () => {
    assert.throws(
      () => parseTestArguments([...args]),
      (error) => error instanceof Error && error.message.startsWith(message),
    );
  });
}
