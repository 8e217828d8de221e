// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readFacts } from "../../../dev/rules/source_facts.ts";

const SOURCE = `// é – first
import { a } from "./a.ts";

/**
 * Two
 * lines.
 */
export class Box {
  readonly size = 1;
  #lid = "// not a comment";

  open(): void {
    const inner = () => {
      Deno.stat(\`\${a} part\`);
    };
    inner();
  }
}

export interface Lid {
  width: number;
}

interface Hidden {
  width: number;
}

let child: Deno.ChildProcess;
// Deno.test("no", () => {});
Deno.test("yes", run);
Deno.test.beforeAll(run);
`;

Deno.test("readFacts() gives comments, functions, classes, exports, strings and Deno members", async () => {
  const path = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(path, SOURCE);
    const [facts] = [...(await readFacts([path])).values()];
    assert.deepEqual(facts, {
      comments: [
        { text: " é – first", firstLine: 1, lastLine: 1 },
        { text: "*\n * Two\n * lines.\n ", firstLine: 4, lastLine: 7 },
        { text: ' Deno.test("no", () => {});', firstLine: 29, lastLine: 29 },
      ],
      strings: [
        { text: "./a.ts", line: 2 },
        { text: "// not a comment", line: 10 },
        { text: "", line: 14 },
        { text: " part", line: 14 },
        { text: "yes", line: 30 },
      ],
      functions: [
        { name: "open", line: 12, lineCount: 6 },
        { name: "inner", line: 13, lineCount: 3 },
      ],
      classes: [{ name: "Box", line: 8, fieldCount: 2 }],
      exportedTypes: ["Box", "Lid"],
      denoMembers: ["stat", "test", "test"],
      testCount: 1,
    });
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("readFacts() throws when a file can't be parsed", async () => {
  const path = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(path, "const = 1;");
    await assert.rejects(readFacts([path]), /Cannot parse/);
  } finally {
    await Deno.remove(path);
  }
});
