// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { Clock } from "../../../lib/shared/base/mod.ts";
import type { NewEvent, Pod } from "../../../lib/operator/kube/mod.ts";
import {
  PodEvents,
  toPodReference,
} from "../../../lib/operator/pods/pod_events.ts";
import { create, EventListSchema } from "../../../lib/shared/wire/mod.ts";

const POD: Pod = {
  metadata: { namespace: "ns", name: "web", uid: "u-1" },
  spec: {
    initContainers: [{ name: "setup" }],
    containers: [{ name: "app" }],
  },
};
const REFERENCE = {
  apiVersion: "v1",
  kind: "Pod",
  namespace: "ns",
  name: "web",
  uid: "u-1",
};

/** The only pod of the node. */
const KNOWN = { pods: [POD], isComplete: true };

function open() {
  const recorded: NewEvent[] = [];
  const time = { ms: 0 };
  const clock: Clock = {
    monotonicMs: () => time.ms,
    wallMs: () => time.ms,
    sleep: () => Promise.resolve(),
  };
  const events = new PodEvents({
    record: (event) => void recorded.push(event),
    flush: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }, { nodeName: "edge-1", clock });
  return { events, recorded, time };
}

Deno.test("toPodReference() names a container by its field path", () => {
  assert.deepEqual(toPodReference(POD), REFERENCE);
  assert.deepEqual(toPodReference(POD, ""), REFERENCE);
  const pathOf = (container: string) =>
    toPodReference(POD, container).fieldPath;
  assert.equal(pathOf("app"), "spec.containers{app}");
  assert.equal(pathOf("setup"), "spec.initContainers{setup}");
});

Deno.test("PodEvents.recordReported() records Events of known pods and returns those of the device", () => {
  const { events, recorded } = open();
  const list = create(EventListSchema, {
    events: [
      { podUid: "u-1", container: "app", reason: "Started", message: "m" },
      { podUid: "u-1", warning: true, reason: "Failed", message: "w" },
      { podUid: "", reason: "Rebooted", message: "device has rebooted" },
      { podUid: "deleted", reason: "Killing", message: "k" },
    ],
  });
  const others = events.recordReported(list, KNOWN);
  assert.deepEqual(others.map(({ reason }) => reason), ["Rebooted"]);
  assert.deepEqual(recorded, [
    {
      involvedObject: { ...REFERENCE, fieldPath: "spec.containers{app}" },
      type: "Normal",
      reason: "Started",
      message: "m",
      host: "edge-1",
    },
    {
      involvedObject: REFERENCE,
      type: "Warning",
      reason: "Failed",
      message: "w",
      host: "edge-1",
    },
  ]);
});

Deno.test("PodEvents.warnOnce() records each warning once until clearWarnings()", () => {
  const { events, recorded } = open();
  const warning = { reason: "FailedMount", message: "missing" };
  events.warnOnce(POD, [warning]);
  events.warnOnce(POD, [warning, { ...warning, message: "other" }]);
  assert.deepEqual(recorded.map(({ message }) => message), [
    "missing",
    "other",
  ]);
  assert.equal(recorded[0]?.type, "Warning");
  assert.equal(recorded[0]?.host, "edge-1");
  events.clearWarnings("u-2");
  events.warnOnce(POD, [warning]);
  assert.equal(recorded.length, 2);
  events.clearWarnings("u-1");
  events.warnOnce(POD, [warning]);
  assert.equal(recorded.length, 3);
});

Deno.test("PodEvents.warnOnce() records the same warning of two containers", () => {
  const { events, recorded } = open();
  const warning = { reason: "Failed", message: "m" };
  const warnings = [
    { ...warning, container: "app" },
    { ...warning, container: "setup" },
    warning,
  ];
  events.warnOnce(POD, warnings);
  events.warnOnce(POD, warnings);
  assert.deepEqual(
    recorded.map(({ involvedObject }) => involvedObject.fieldPath),
    ["spec.containers{app}", "spec.initContainers{setup}", undefined],
  );
});

Deno.test("PodEvents.warnOnce() records at most 64 different warnings of a pod", () => {
  const { events, recorded } = open();
  for (let at = 0; at < 1000; at++) {
    events.warnOnce(POD, [{ reason: "FailedMount", message: `attempt ${at}` }]);
  }
  assert.equal(recorded.length, 64);
  events.clearWarnings("u-1");
  events.warnOnce(POD, [{ reason: "FailedMount", message: "attempt 0" }]);
  assert.equal(recorded.length, 65);
});

Deno.test("PodEvents.recordReported() drops what a device reports too often", () => {
  const { events, recorded, time } = open();
  const flood = create(EventListSchema, {
    events: Array.from({ length: 5000 }, (_, at) => ({
      podUid: "u-1",
      reason: "Started",
      message: `${at}`,
    })),
  });
  events.recordReported(flood, KNOWN);
  assert.equal(recorded.length, 500);
  time.ms = 10_000;
  events.recordReported(flood, KNOWN);
  assert.equal(recorded.length, 510);
});

Deno.test("PodEvents.recordReported() names only containers that the pod has", () => {
  const { events, recorded } = open();
  const list = create(EventListSchema, {
    events: [{ podUid: "u-1", container: "other", reason: "r", message: "m" }],
  });
  events.recordReported(list, KNOWN);
  assert.deepEqual(recorded[0]?.involvedObject, REFERENCE);
});

Deno.test("PodEvents.recordReported() refuses Events of a pod that may not be known yet", () => {
  const { events, recorded } = open();
  const report = (...podUids: string[]) =>
    events.recordReported(
      create(EventListSchema, {
        events: podUids.map((podUid) => ({ podUid, reason: "Started" })),
      }),
      { pods: [POD], isComplete: false },
    );
  assert.equal(report("u-1", "").length, 1);
  assert.equal(recorded.length, 1);
  assert.throws(() => report("u-1", "u-2"), {
    code: "unavailable",
    message: "Cannot record Events: the pods of this node are not known yet",
  });
  assert.equal(recorded.length, 1);
});
