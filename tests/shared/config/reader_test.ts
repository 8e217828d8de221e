// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { DocumentReader } from "../../../lib/shared/config/reader.ts";

Deno.test("DocumentReader follows aliases and survives those that lead nowhere", () => {
  const reader = new DocumentReader("a: &x text\nb: *x\n", { file: "f" });
  const keys = reader.keys(reader.root, ["a", "b"]);
  assert.equal(reader.text(keys.b), "text");
  reader.finish();
  const broken = new DocumentReader("a: *nowhere\n", { file: "f" });
  assert.equal(broken.text(broken.keys(broken.root, ["a"]).a), undefined);
  assert.throws(() => broken.finish(), { code: "invalid" });
});

Deno.test("DocumentReader.finish() sorts problems by line", () => {
  const reader = new DocumentReader("a: 1\nb: 2\n", { file: "f" });
  const { a, b } = reader.keys(reader.root, ["a", "b"]);
  reader.complain(b, "late");
  reader.complain(a, "early");
  assert.throws(() => reader.finish(), {
    message: "Cannot read f: line 1: a: early; line 2: b: late",
  });
});

Deno.test("DocumentReader survives any text", () => {
  const texts = [
    "{",
    "[[[",
    "a: b: c",
    "---\n---\n",
    "\0",
    "? ? ?",
    "!!js x",
    "%",
  ];
  for (const text of texts) {
    const reader = new DocumentReader(text, { file: "f" });
    reader.text(reader.keys(reader.root, ["a"]).a);
  }
});
