// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { utf8 } from "../../../lib/shared/base/mod.ts";
import type { RuntimeContainer } from "../../../lib/agent/runtime/mod.ts";
import {
  create,
  PodSpecSchema,
  PodStatusSchema,
  TerminatedSchema,
} from "../../../lib/shared/wire/mod.ts";
import {
  createRecord,
  decodeRecord,
  encodeRecord,
  toTerminated,
} from "../../../lib/agent/pods/record.ts";
import { exited } from "./_support/plan_scenario.ts";

const SPEC = create(PodSpecSchema, {
  uid: "u1",
  namespace: "ns",
  name: "web",
  containers: [{ name: "app", image: "img" }],
});

Deno.test("decodeRecord() gives back what encodeRecord() took", () => {
  const record = createRecord(SPEC, { firstSeenUnixMs: 5 });
  assert.deepEqual(decodeRecord(encodeRecord(record)), {
    ...record,
    failure: undefined,
    lastStatus: undefined,
  });
  record.goal = "gone";
  record.graceSeconds = 7;
  record.failure = { reason: "Evicted", message: "ß" };
  record.settled.set("app", create(TerminatedSchema, { exitCode: 3 }));
  record.restarts.set("app", 4);
  record.lastStatus = create(PodStatusSchema, { uid: "u1", terminated: true });
  assert.deepEqual(decodeRecord(encodeRecord(record)), record);
});

for (
  const [title, bytes] of [
    ["nothing", new Uint8Array()],
    ["garbage", utf8("garbage garbage")],
    ["a later version", utf8('\0\0\0\x0d{"version":2}')],
  ] as const
) {
  Deno.test(`decodeRecord() refuses ${title}`, () => {
    assert.throws(() => decodeRecord(bytes), { code: "invalid" });
  });
}

for (
  const [title, exitCode, more, expected] of [
    ["an exit 0", 0, {}, ["Completed", ""]],
    ["an exit 1", 1, {}, ["Error", ""]],
    ["a kill for memory", 137, { oomKilled: true }, ["OOMKilled", ""]],
    ["a failed start", 128, { error: "no such file" }, [
      "StartError",
      "no such file",
    ]],
    ["an own exit 128", 128, {}, ["Error", ""]],
  ] as const
) {
  Deno.test(`toTerminated() names ${title}`, () => {
    const raw = {
      startedUnixMs: 1_000,
      finishedUnixMs: 2_500,
      oomKilled: false,
      error: "",
      ...more,
    } as RuntimeContainer;
    const ended = toTerminated(exited(exitCode, { raw }), "");
    assert.deepEqual([ended.reason, ended.message], expected);
    assert.equal(ended.finishedUnixMs, 2_500n);
    assert.equal(ended.containerId, "docker://c0");
  });
}
