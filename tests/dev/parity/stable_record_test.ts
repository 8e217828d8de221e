// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { toStableRecord } from "../../../dev/parity/stable_record.ts";

Deno.test("toStableRecord() keeps what all runs agree on, and the range of durations", () => {
  assert.deepEqual(
    toStableRecord([
      { leaves: { a: 1, b: "x", only: true }, timings: { ready: 200 } },
      { leaves: { a: 1, b: "y" }, timings: { ready: 900, deletion: 5 } },
    ]),
    {
      leaves: { a: 1 },
      unstable: ["b", "only"],
      timings: {
        ready: { minMs: 200, maxMs: 900 },
        deletion: { minMs: 5, maxMs: 5 },
      },
    },
  );
});
