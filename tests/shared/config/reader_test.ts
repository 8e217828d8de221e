// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { DocumentReader } from "../../../lib/shared/config/reader.ts";

Deno.test("DocumentReader follows aliases and reports those without an anchor", () => {
  const reader = new DocumentReader("a: &x text\nb: *x\n", { file: "f" });
  const fields = reader.readFields(reader.root, ["a", "b"]);
  assert.equal(reader.readText(fields.b), "text");
  reader.throwProblems();
  const broken = new DocumentReader("a: *unknown\n", { file: "f" });
  assert.equal(
    broken.readText(broken.readFields(broken.root, ["a"]).a),
    undefined,
  );
  assert.throws(() => broken.throwProblems(), { code: "invalid" });
});

Deno.test("DocumentReader.throwProblems() sorts problems by line", () => {
  const reader = new DocumentReader("a: 1\nb: 2\n", { file: "f" });
  const { a, b } = reader.readFields(reader.root, ["a", "b"]);
  reader.addProblem(b, "late");
  reader.addProblem(a, "early");
  assert.throws(() => reader.throwProblems(), {
    message: "Cannot read f: line 1: a: early; line 2: b: late",
  });
});

Deno.test("DocumentReader throws only at the end for a text that is no document with fields", () => {
  const texts = [
    "{",
    "[[[",
    "a: b: c",
    "---\n---\n- b",
    "\0",
    "? ? ?",
    "!!js x",
    "%",
  ];
  for (const text of texts) {
    const reader = new DocumentReader(text, { file: "f" });
    assert.notEqual(
      reader.readText(reader.readFields(reader.root, ["a"]).a),
      text,
    );
    assert.throws(
      () => reader.throwProblems(),
      { code: "invalid", message: /^Cannot read f: line \d+: / },
      text,
    );
  }
});
