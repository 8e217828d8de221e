// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { isExplained, reasonOf, REASONS } from "../../../dev/parity/reasons.ts";

const caseOf = (path: string, expected?: string, actual?: string) => ({
  leaves: [{ path, expected, actual }],
  timings: [],
});

Deno.test("reasonOf() returns the first reason whose pattern matches path and values", () => {
  const reasons = [
    { pattern: /^status\.phase: a → /, reason: "first" },
    { pattern: /phase/, reason: "second" },
  ];
  const group = { path: "status.phase", cases: [] };
  assert.equal(
    reasonOf({ ...group, expected: "a", actual: undefined }, reasons),
    "first",
  );
  assert.equal(
    reasonOf({ ...group, expected: "b", actual: "c" }, reasons),
    "second",
  );
  assert.equal(
    reasonOf({ ...group, path: "logs", expected: "b", actual: "c" }, reasons),
    "",
  );
});

Deno.test("isExplained() is true when each difference of a pod has a reason", () => {
  const reasons = [{ pattern: /^status\.phase/, reason: "why" }];
  const known = caseOf("status.phase", "a", "b");
  const unknown = caseOf("status.reason", "a", "b");
  assert.equal(isExplained("one", known, reasons), true);
  assert.equal(isExplained("one", unknown, reasons), false);
  const both = { ...known, leaves: [...known.leaves, ...unknown.leaves] };
  assert.equal(isExplained("one", both, reasons), false);
});

Deno.test("REASONS explain Docker's seccomp profile, and nothing else of that output", () => {
  const path = "logs.identity.stdout";
  const unconfined = "uid=0(root)\nNoNewPrivs:\t0\nSeccomp:\t0\n";
  const filtered = "uid=0(root)\nNoNewPrivs:\t0\nSeccomp:\t2\n";
  const other = filtered.replace("uid=0", "uid=1");
  assert.equal(
    isExplained("sec-default", caseOf(path, unconfined, filtered)),
    true,
  );
  assert.equal(
    isExplained("sec-default", caseOf(path, unconfined, other)),
    false,
  );
});

Deno.test("REASONS explain Docker's defaults of sysctls", () => {
  const path = "logs.identity.stdout";
  const difference = caseOf(path, "1024\n1\t0\n", "0\n0\t2147483647\n");
  assert.equal(isExplained("sec-default", difference), true);
});

Deno.test("REASONS are sentences for docs/parity.md, without cell separators", () => {
  for (const { reason } of REASONS) assert.match(reason, /^[A-Z][^|\n]*\.$/);
});
