// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  type Condition,
  isSameCondition,
  mergeConditions,
  toConditionsPatch,
} from "../../../lib/operator/kube/mod.ts";

const EARLIER = "2026-05-03T02:01:00Z";
const NOW = "2026-05-04T03:02:01Z";
const NOW_MS = Date.UTC(2026, 4, 4, 3, 2, 1) + 987;

const READY: Condition = {
  type: "Ready",
  status: "True",
  reason: "KubeletReady",
  message: "ready",
};
const FORMER: Condition[] = [
  { ...READY, lastTransitionTime: EARLIER },
  { type: "Other", status: "True", lastTransitionTime: EARLIER },
];

Deno.test("mergeConditions() keeps the time when the status is unchanged", () => {
  const desired = [{ ...READY, reason: "Another", message: "text" }];
  assert.deepEqual(
    mergeConditions(desired, { former: FORMER, nowMs: NOW_MS }),
    [{
      type: "Ready",
      status: "True",
      reason: "Another",
      message: "text",
      lastTransitionTime: EARLIER,
    }],
  );
});

Deno.test("mergeConditions() sets the time when the status changes or there was none", () => {
  const desired: Condition[] = [
    { ...READY, status: "False" },
    { type: "New", status: "True" },
  ];
  const merged = mergeConditions(desired, { former: FORMER, nowMs: NOW_MS });
  assert.deepEqual(
    merged.map(({ type, lastTransitionTime }) => ({
      type,
      lastTransitionTime,
    })),
    [
      { type: "Ready", lastTransitionTime: NOW },
      { type: "New", lastTransitionTime: NOW },
    ],
  );
  const [timeless] = mergeConditions([READY], {
    former: [READY],
    nowMs: NOW_MS,
  });
  assert.equal(timeless?.lastTransitionTime, NOW);
  const [first] = mergeConditions([READY], {
    former: undefined,
    nowMs: NOW_MS,
  });
  assert.equal(first?.lastTransitionTime, NOW);
});

Deno.test("mergeConditions() keeps further fields and changes nothing that was passed in", () => {
  const desired = [{ ...READY, observedGeneration: 7, lastHeartbeatTime: NOW }];
  const [merged] = mergeConditions(desired, { former: FORMER, nowMs: NOW_MS });
  assert.deepEqual(merged, { ...desired[0], lastTransitionTime: EARLIER });
  assert.equal("lastTransitionTime" in (desired[0] ?? {}), false);
});

Deno.test("isSameCondition() compares type, status and texts, not times", () => {
  const cases: [Partial<Condition>, boolean][] = [
    [{ lastTransitionTime: NOW, observedGeneration: 2 }, true],
    [{ type: "Other" }, false],
    [{ status: "Unknown" }, false],
    [{ reason: "Another" }, false],
    [{ message: "another" }, false],
  ];
  for (const [change, same] of cases) {
    const name = JSON.stringify(change);
    assert.equal(isSameCondition(READY, { ...READY, ...change }), same, name);
  }
  const bare: Condition = { type: "Ready", status: "True" };
  assert.equal(isSameCondition(bare, { ...bare, reason: "" }), true);
  assert.equal(isSameCondition(undefined, bare), false);
  assert.equal(isSameCondition(undefined, undefined), true);
});

Deno.test("toConditionsPatch() holds what differs, and nulls for texts to remove", () => {
  const desired: Condition[] = [
    { type: "Ready", status: "True" },
    { type: "Other", status: "True" },
    { type: "New", status: "False", reason: "Because", message: "text" },
  ];
  assert.deepEqual(
    toConditionsPatch(desired, { former: FORMER, nowMs: NOW_MS }),
    [
      {
        type: "Ready",
        status: "True",
        reason: null,
        message: null,
        lastTransitionTime: EARLIER,
      },
      {
        type: "New",
        status: "False",
        reason: "Because",
        message: "text",
        lastTransitionTime: NOW,
      },
    ],
  );
});

Deno.test("toConditionsPatch() is empty when nothing differs", () => {
  assert.deepEqual(
    toConditionsPatch([READY], { former: FORMER, nowMs: NOW_MS }),
    [],
  );
});
