// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  decodeRecording,
  encodeRecording,
} from "../../../dev/parity/record_file.ts";
import type { StableRecord } from "../../../dev/parity/stable_record.ts";

const FACTS = { command: "deno task parity", kubelet: "1.36.3", runCount: 2 };
const record = (leaves: StableRecord["leaves"]): StableRecord => ({
  leaves,
  unstable: ["flaky"],
  timings: { deletion: { minMs: 1, maxMs: 2 } },
});
const RECORDING = {
  facts: FACTS,
  records: new Map([
    ["a", record({ phase: "Running", ready: true })],
    ["b", record({ phase: "Running", ready: true, more: 1 })],
    ["d", record({ phase: "Failed" })],
  ]),
};

Deno.test("decodeRecording() returns what encodeRecording() was given", () => {
  assert.deepEqual(decodeRecording(encodeRecording(RECORDING)), RECORDING);
});

Deno.test("encodeRecording() writes what most cases have in common once", () => {
  assert.deepEqual(
    encodeRecording(RECORDING).trimEnd().split("\n").slice(1).map((line) => {
      const { leaves, ...common } = JSON.parse(line);
      return leaves ?? common;
    }),
    [
      { phase: "Running", ready: true },
      {},
      { more: 1 },
      { phase: "Failed", ready: null },
    ],
  );
});
