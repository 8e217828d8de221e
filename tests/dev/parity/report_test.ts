// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { CaseDifferences } from "../../../dev/parity/compare.ts";
import {
  describeCases,
  renderPage,
  summarize,
} from "../../../dev/parity/report.ts";

const EQUAL = { leaves: [], timings: [] };
const SLOW = {
  leaves: [],
  timings: [{
    path: "ready",
    expected: { minMs: 1, maxMs: 2 },
    actualMs: 9000,
  }],
};
const DIFFERENT = {
  leaves: [{ path: "status.phase", expected: "a|b", actual: undefined }],
  timings: [],
};
const EXPLAINED = {
  leaves: [{
    path: "logs.identity.stdout",
    expected: "Seccomp:\t0\n",
    actual: "Seccomp:\t2\n",
  }],
  timings: [],
};
const COMPARISON = new Map<string, CaseDifferences>([
  ["one", EQUAL],
  ["two", SLOW],
  ["three", DIFFERENT],
]);

Deno.test("summarize() counts pods without differences, and slow ones among them", () => {
  assert.equal(
    summarize(COMPARISON),
    "2 of 3 pods equal, 1 of them out of time bounds",
  );
});

Deno.test("summarize() counts pods whose differences all have a reason", () => {
  const comparison = new Map<string, CaseDifferences>([
    ["one", EQUAL],
    ["two", EXPLAINED],
    ["three", DIFFERENT],
  ]);
  assert.equal(
    summarize(comparison),
    "1 of 3 pods equal, 1 of the others explained",
  );
});

Deno.test("describeCases() prints the reason of a difference", () => {
  const [title, line = ""] = describeCases(new Map([["two", EXPLAINED]]));
  assert.equal(title, "two: 1 differences, explained");
  assert.match(line, /\n {4}reason: {2}Docker's default profile/);
});

Deno.test("describeCases() prints both values of each difference", () => {
  assert.deepEqual(describeCases(COMPARISON), [
    "one: equal",
    "two: 0 differences",
    "  time of ready: 1–2 ms, device 9000 ms",
    "three: 1 differences",
    '  status.phase\n    kubelet: "a|b"\n    device:  (absent)',
  ]);
});

Deno.test("renderPage() has a row for each group, with escaped cells", () => {
  const page = renderPage(COMPARISON, {
    command: "deno task parity",
    kubelet: "1.36.3",
    runCount: 2,
  });
  assert.ok(
    page.includes(
      '| 1: three | `status.phase` | `"a\\|b"` | `(absent)` |  |\n',
    ),
    page,
  );
  assert.ok(page.includes("| two | `ready` | 1–2 | 9000 |\n"), page);
});
