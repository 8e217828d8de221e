// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  encodeFirstStatuses,
  encodeStatuses,
} from "../../../lib/agent/commands/status_list.ts";
import {
  create,
  decodeMessage,
  MAX_VALUE_BYTES,
  type PodStatus,
  PodStatusListSchema,
  PodStatusSchema,
} from "../../../lib/shared/wire/mod.ts";

/**
 * Pods with this many containers, each with messages of 4096 characters, as many as it may have.
 */
function makePods(podCount: number, containerCount: number): PodStatus[] {
  const value = { exitCode: 1, message: "m".repeat(4096) };
  return Array.from(
    { length: podCount },
    (_, index) =>
      create(PodStatusSchema, {
        uid: `pod-${index}`,
        failureMessage: "f".repeat(4096),
        containers: Array.from({ length: containerCount }, (_, number) => ({
          name: `c${number}`,
          state: {
            state: {
              case: "waiting" as const,
              value: { message: value.message },
            },
          },
          lastTerminated: { state: { case: "terminated" as const, value } },
        })),
      }),
  );
}

function decode(payload: Uint8Array): PodStatus[] {
  return decodeMessage(PodStatusListSchema, payload).pods;
}

Deno.test("encodeStatuses() keeps a list that is small enough as it is", () => {
  const pods = makePods(10, 2);
  assert.deepEqual(decode(encodeStatuses(pods)), pods);
  assert.equal(encodeStatuses([]).length, 0);
});

Deno.test("encodeStatuses() cuts messages of a list that is too large, and keeps every pod", () => {
  for (const [podCount, containerCount] of [[110, 4], [110, 20]] as const) {
    const payload = encodeStatuses(makePods(podCount, containerCount));
    assert.ok(payload.length < MAX_VALUE_BYTES.operator, `${payload.length}`);
    const pods = decode(payload);
    assert.equal(pods.length, podCount);
    assert.equal(pods[109]?.uid, "pod-109");
    const { containers: [first] = [] } = pods[0] ?? {};
    assert.equal(first?.lastTerminated?.state.case, "terminated");
    assert.equal(first?.lastTerminated?.state.value?.exitCode, 1);
    assert.equal(first?.state?.state.case, "waiting");
    const length = containerCount === 4 ? 1024 : 128;
    assert.equal(first?.lastTerminated?.state.value?.message.length, length);
    assert.equal(pods[0]?.failureMessage.length, length);
  }
});

Deno.test("encodeFirstStatuses() returns as many pods as fit in one request, uncut", () => {
  const pods = makePods(64, 20);
  const { payload, count } = encodeFirstStatuses(pods);
  assert.ok(count > 8 && count < 13, `${count} pods`);
  assert.ok(payload.length < MAX_VALUE_BYTES.operator);
  assert.deepEqual(decode(payload), pods.slice(0, count));
  const all = encodeFirstStatuses(makePods(5, 1));
  assert.equal(all.count, 5);
});

Deno.test("encodeFirstStatuses() returns no more pods than the operator accepts in one request", () => {
  const pods = Array.from(
    { length: 1030 },
    () => create(PodStatusSchema, { uid: "u" }),
  );
  const { payload, count } = encodeFirstStatuses(pods);
  assert.equal(count, 1024);
  assert.equal(decode(payload).length, 1024);
});

Deno.test("encodeFirstStatuses() returns one pod at least, with cut messages if it is too large alone", () => {
  const [large = create(PodStatusSchema)] = makePods(1, 300);
  const { payload, count } = encodeFirstStatuses([large]);
  assert.equal(count, 1);
  assert.ok(payload.length < MAX_VALUE_BYTES.operator);
  assert.equal(decode(payload)[0]?.containers.length, 300);
});
