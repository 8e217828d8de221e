// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { groupDifferences } from "../../../dev/parity/difference_groups.ts";

const difference = (path: string, actual: string) => ({
  leaves: [{ path, expected: "x", actual }],
  timings: [],
});

Deno.test("groupDifferences() joins equal differences of several pods and containers", () => {
  const groups = groupDifferences(
    new Map([
      ["one", difference("status.containerStatuses[a].reason", "one is y")],
      ["two", difference("status.containerStatuses[b].reason", "two is y")],
      ["three", difference("status.phase", "z")],
    ]),
  );
  assert.deepEqual(groups, [{
    path: "status.containerStatuses[*].reason",
    expected: "x",
    actual: "<pod> is y",
    cases: ["one", "two"],
  }, {
    path: "status.phase",
    expected: "x",
    actual: "z",
    cases: ["three"],
  }]);
});
