// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  create,
  EnvEntrySchema,
  EnvField,
} from "../../../lib/shared/wire/mod.ts";
import { expandEnv, expandReferences } from "../../../lib/agent/pods/env.ts";

const VALUES = new Map([["A", "a"], ["B", "$(A)"], ["EMPTY", ""]]);

for (
  const [text, expected] of [
    ["", ""],
    ["plain", "plain"],
    ["$(A)", "a"],
    ["x$(A)y$(A)z", "xayaz"],
    ["$(B)", "$(A)"],
    ["$(EMPTY)", ""],
    ["$(NONE)", "$(NONE)"],
    ["$$(A)", "$(A)"],
    ["$$$(A)", "$a"],
    ["$$$$(A)", "$$(A)"],
    ["$A", "$A"],
    ["$", "$"],
    ["$$", "$"],
    ["$(A", "$(A"],
    ["$()", "$()"],
    ["$(A)$", "a$"],
    ["${A}", "${A}"],
  ] as const
) {
  Deno.test(`expandReferences() returns ${JSON.stringify(expected)} when the text is ${JSON.stringify(text)}`, () => {
    assert.equal(expandReferences(text, VALUES), expected);
  });
}

const entries = (...list: MessageInitShape<typeof EnvEntrySchema>[]) =>
  list.map((entry) => create(EnvEntrySchema, entry));
const NO_FIELDS = { podIps: [], hostIps: [] };

Deno.test("expandEnv() expands $(VAR) when an earlier entry has that name, not a later one", () => {
  const env = expandEnv(
    entries(
      { name: "A", value: "$(B)" },
      { name: "B", value: "1" },
      { name: "C", value: "$(B)2" },
    ),
    NO_FIELDS,
  );
  assert.deepEqual([...env], [["A", "$(B)"], ["B", "1"], ["C", "12"]]);
});

Deno.test("expandEnv() keeps literal values, and the last entry when a name is repeated", () => {
  const env = expandEnv(
    entries(
      { name: "A", value: "1" },
      { name: "L", value: "$(A)", literal: true },
      { name: "A", value: "$(A)2" },
    ),
    NO_FIELDS,
  );
  assert.deepEqual([...env], [["A", "12"], ["L", "$(A)"]]);
});

Deno.test("expandEnv() fills in the addresses of pod and host", () => {
  const env = expandEnv(
    entries(
      { name: "P", field: EnvField.POD_IP },
      { name: "PS", field: EnvField.POD_IPS },
      { name: "H", field: EnvField.HOST_IP },
      { name: "HS", field: EnvField.HOST_IPS },
      { name: "URL", value: "http://$(P):80" },
    ),
    { podIps: ["10.0.0.2", "fd00::2"], hostIps: ["192.0.2.1"] },
  );
  assert.deepEqual([...env.values()], [
    "10.0.0.2",
    "10.0.0.2,fd00::2",
    "192.0.2.1",
    "192.0.2.1",
    "http://10.0.0.2:80",
  ]);
});
