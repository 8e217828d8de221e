// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fromUtf8, utf8 } from "../../../lib/shared/base/mod.ts";
import type {
  RuntimeContainer,
  RuntimePod,
} from "../../../lib/agent/runtime/mod.ts";
import {
  create,
  PodSpecSchema,
  PodStatusSchema,
  TerminatedSchema,
} from "../../../lib/shared/wire/mod.ts";
import {
  createPodRecord,
  decodePodRecord,
  encodePodRecord,
  toUnmanagedSpec,
} from "../../../lib/agent/pods/pod_record.ts";

const SPEC = create(PodSpecSchema, {
  uid: "u1",
  namespace: "ns",
  name: "web",
});

/** Bytes of SPEC at the end of each encoded record. */
const SPEC_BYTES = "\n\x02u1\x12\x02ns\x1a\x03web";

Deno.test("decodePodRecord() returns what encodePodRecord() took", () => {
  const record = createPodRecord(SPEC, { firstSeenUnixMs: 5 });
  assert.deepEqual(decodePodRecord(encodePodRecord(record)), {
    ...record,
    failure: undefined,
    lastStatus: undefined,
  });
  record.goal = "terminated";
  record.graceSeconds = 7;
  record.failure = { reason: "Evicted", message: "ß" };
  record.completed.set("app", create(TerminatedSchema, { exitCode: 3 }));
  record.restartCounts.set("app", 4);
  record.lastStatus = create(PodStatusSchema, { uid: "u1", terminated: true });
  record.activeMs = 90_000;
  assert.deepEqual(decodePodRecord(encodePodRecord(record)), record);
});

for (
  const [goal, encoded, length] of [
    ["run", "run", "Z"],
    ["unmanaged", "leave", "\\"],
    ["remove", "remove", "]"],
    ["terminated", "gone", "["],
    ["purge", "forget", "]"],
  ] as const
) {
  Deno.test(`encodePodRecord() keeps the format on disk when the goal is ${goal}`, () => {
    const record = createPodRecord(SPEC, { firstSeenUnixMs: 5, goal });
    const bytes = encodePodRecord(record);
    assert.equal(
      fromUtf8(bytes),
      `\0\0\0${length}{"version":1,"goal":"${encoded}","graceSeconds":0,"firstSeenUnixMs":5,"settled":{},"restarts":{}}${SPEC_BYTES}`,
    );
    assert.equal(decodePodRecord(bytes).goal, goal);
  });
}

Deno.test("encodePodRecord() keeps the format on disk when every field is set", () => {
  const record = createPodRecord(SPEC, {
    firstSeenUnixMs: 5,
    goal: "terminated",
    graceSeconds: 7,
  });
  record.failure = { reason: "Evicted", message: "m" };
  record.completed.set("app", create(TerminatedSchema, { exitCode: 3 }));
  record.restartCounts.set("app", 4);
  record.lastStatus = create(PodStatusSchema, { uid: "u1", terminated: true });
  const bytes = encodePodRecord(record);
  assert.deepEqual(bytes.subarray(0, 4), new Uint8Array([0, 0, 0, 0xb7]));
  assert.equal(
    fromUtf8(bytes.subarray(4)),
    `{"version":1,"goal":"gone","graceSeconds":7,"firstSeenUnixMs":5,"failure":{"reason":"Evicted","message":"m"},` +
      `"settled":{"app":"0803"},"restarts":{"app":4},"lastStatus":"0a0275315801"}${SPEC_BYTES}`,
  );
});

Deno.test("encodePodRecord() keeps the format on disk when the pod has an age", () => {
  const record = createPodRecord(SPEC, { firstSeenUnixMs: 5 });
  record.activeMs = 1_234.5;
  const bytes = encodePodRecord(record);
  assert.equal(
    fromUtf8(bytes),
    `\0\0\0j{"version":1,"goal":"run","graceSeconds":0,"firstSeenUnixMs":5,"settled":{},"restarts":{},"activeMs":1234}${SPEC_BYTES}`,
  );
  assert.equal(decodePodRecord(bytes).activeMs, 1_234);
});

for (
  const [title, bytes] of [
    ["nothing", new Uint8Array()],
    ["garbage", utf8("garbage garbage")],
    ["a later version", utf8('\0\0\0\x0d{"version":2}')],
    ["an unknown goal", utf8('\0\0\0\x1a{"version":1,"goal":"fly"}')],
  ] as const
) {
  Deno.test(`decodePodRecord() throws "invalid" when the bytes are ${title}`, () => {
    assert.throws(() => decodePodRecord(bytes), { code: "invalid" });
  });
}

Deno.test("toUnmanagedSpec() has each container once when it was restarted", () => {
  const container = (
    changes: Pick<RuntimeContainer, "name" | "kind" | "attempt">,
  ) => ({ image: "img", ...changes }) as RuntimeContainer;
  const pod: RuntimePod = {
    uid: "u1",
    namespace: "ns",
    name: "web",
    sandbox: undefined,
    containers: [
      container({ name: "app", kind: "app", attempt: 1 }),
      container({ name: "app", kind: "app", attempt: 0 }),
      container({ name: "setup", kind: "init", attempt: 0 }),
    ],
  };
  const spec = toUnmanagedSpec(pod);
  assert.equal(spec.uid, "u1");
  assert.equal(spec.specHash, "");
  assert.deepEqual(spec.initContainers.map(({ name }) => name), ["setup"]);
  assert.deepEqual(
    spec.containers.map(({ name, image }) => [name, image]),
    [["app", "img"]],
  );
});
