// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { ROOT } from "../../../dev/base/paths.ts";
import { run } from "../../../dev/base/run.ts";
import { findUndocumented, toRoomDocs } from "../../../dev/rules/docs.ts";

const jsDoc = { doc: "Does it." };

function node(name: string, path: string, more: object = {}): object {
  const location = { filename: `file://${ROOT}/${path}`, line: 9 };
  return { name, location, ...more };
}

function output(...symbols: [name: string, declaration: object][]): unknown {
  return {
    nodes: {
      "file:///x/mod.ts": {
        symbols: symbols.map(([name, declaration]) => ({
          name,
          declarations: [declaration],
        })),
      },
    },
  };
}

Deno.test("findUndocumented() names symbols and methods without a docstring", () => {
  const path = "lib/agent/pods/x.ts";
  const methods = [
    node("run", path, { jsDoc }),
    node("stop", path),
    node("[Symbol.dispose]", path),
  ];
  const docs = toRoomDocs(
    "agent/pods",
    output(
      ["good", node("", path, { jsDoc })],
      ["bad", node("", path)],
      ["Runner", node("", path, { jsDoc, def: { methods } })],
    ),
  );
  assert.deepEqual(findUndocumented(docs), [
    `${path}:10 bad`,
    `${path}:10 Runner.stop`,
  ]);
});

Deno.test("findUndocumented() accepts methods that a base documents", () => {
  const path = "lib/agent/pods/x.ts";
  const undocumented = { methods: [node("stop", path)] };
  const docs = toRoomDocs(
    "agent/pods",
    output(
      [
        "Base",
        node("", path, {
          jsDoc,
          def: { methods: [node("stop", path, { jsDoc })] },
        }),
      ],
      [
        "Own",
        node("", path, {
          jsDoc,
          def: { ...undocumented, implements: [{ repr: "Base" }] },
        }),
      ],
      [
        "Other",
        node("", path, {
          jsDoc,
          def: { ...undocumented, implements: [{ repr: "OfAnotherRoom" }] },
        }),
      ],
    ),
  );
  assert.deepEqual(findUndocumented(docs), []);
});

Deno.test("toRoomDocs() leaves out what another room declares", () => {
  const docs = toRoomDocs(
    "agent",
    output(
      ["own", node("", "lib/agent/x.ts", { jsDoc })],
      ["inner", node("", "lib/agent/pods/x.ts")],
      ["outer", node("", "lib/shared/base/x.ts")],
    ),
  );
  assert.deepEqual(docs.symbols.map(({ name }) => name), ["own"]);
});

Deno.test("toRoomDocs() throws when it finds no symbol, as with another format", () => {
  for (
    const other of [
      {},
      { nodes: {} },
      output(["outer", node("", "lib/shared/base/x.ts", { jsDoc })]),
    ]
  ) {
    assert.throws(() => toRoomDocs("agent", other), /no exports found/);
  }
});

Deno.test("toRoomDocs() reads the format of this Deno", async () => {
  const text = await run(Deno.execPath(), {
    args: ["doc", "--json", `${ROOT}/lib/shared/base/mod.ts`],
  });
  const { symbols } = toRoomDocs("shared/base", JSON.parse(text));
  const notifier = symbols.find(({ name }) => name === "Notifier");
  assert.equal(notifier?.path, "lib/shared/base/notifier.ts");
  assert.deepEqual(notifier?.methods.map(({ name }) => name), [
    "notify",
    "wait",
  ]);
});
