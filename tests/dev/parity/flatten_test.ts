// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { flatten } from "../../../dev/parity/flatten.ts";

Deno.test("flatten() names elements of lists by their key when all have one", () => {
  assert.deepEqual(
    flatten({
      conditions: [
        { type: "Ready", status: "True" },
        { type: "Initialized", status: "False" },
      ],
      mounts: [{ name: "v", mountPath: "/v", readOnly: true }],
    }, "status"),
    {
      "status.conditions[Ready].status": "True",
      "status.conditions[Initialized].status": "False",
      "status.mounts[/v].name": "v",
      "status.mounts[/v].readOnly": true,
    },
  );
});

Deno.test("flatten() numbers elements without a common key", () => {
  assert.deepEqual(flatten([["a"], { name: "b" }], "list"), {
    "list[0][0]": "a",
    "list[1].name": "b",
  });
});

Deno.test("flatten() keeps empty objects and lists, but neither null nor undefined", () => {
  assert.deepEqual(
    flatten({ lastState: {}, ips: [], probed: null, absent: undefined }),
    { lastState: "{}", ips: "[]" },
  );
});
