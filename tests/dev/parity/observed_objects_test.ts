// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  describeState,
  type ObservedContainer,
} from "../../../dev/parity/observed_objects.ts";

/** States of a container, and how the order of states names them. */
const STATES: [Partial<ObservedContainer>, string][] = [
  [{}, "waiting:"],
  [
    { state: { waiting: { reason: "PodInitializing" } } },
    "waiting:PodInitializing",
  ],
  [{ state: { running: {} } }, "running"],
  [
    { state: { running: {} }, ready: true, restartCount: 2 },
    "running ready restarts=2",
  ],
  [
    { state: { terminated: { reason: "Error", exitCode: 3 } } },
    "terminated:Error:3",
  ],
];

for (const [fields, expected] of STATES) {
  Deno.test(`describeState() returns "${expected}"`, () => {
    const container = { name: "c", ready: false, restartCount: 0, ...fields };
    assert.equal(describeState(container), expected);
  });
}
