// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { Condition } from "../../../lib/operator/kube/mod.ts";
import { toConditionEvents } from "../../../lib/operator/device/condition_events.ts";

function condition(
  type: string,
  status: "True" | "False",
  reason: string,
): Condition {
  return { type, status, reason, message: `${reason} text` };
}

const NEW = [
  condition("Connected", "False", "NeverConnected"),
  condition("Ready", "False", "NeverConnected"),
];
const SERVED = [
  condition("Connected", "True", "LinkUp"),
  condition("Ready", "True", "DeviceServed"),
];
const LOST = [
  condition("Connected", "False", "LinkLost"),
  condition("Ready", "False", "LinkLost"),
];
const REFUSED = [
  condition("Connected", "True", "LinkUp"),
  condition("Ready", "False", "Forbidden"),
];
const TAKEN = [
  ...NEW,
  condition("NameConflict", "True", "NodeExists"),
].map((one) => one.type === "Ready" ? { ...one, reason: "NodeExists" } : one);

for (
  const { title, former, current, expected } of [
    {
      title: "no Event for a device that has not connected",
      former: [],
      current: NEW,
      expected: [],
    },
    {
      title: "Events when a device connects",
      former: NEW,
      current: SERVED,
      expected: [
        "Normal LinkUp: LinkUp text",
        "Normal DeviceServed: DeviceServed text",
      ],
    },
    {
      title: "one Event when a device is lost",
      former: SERVED,
      current: LOST,
      expected: ["Warning LinkLost: LinkLost text"],
    },
    {
      title: "an Event for what keeps a connected device from being served",
      former: SERVED,
      current: REFUSED,
      expected: ["Warning Forbidden: Forbidden text"],
    },
    {
      title: "an Event for a new device that can't be served",
      former: [],
      current: [...NEW.slice(0, 1), ...REFUSED.slice(1)],
      expected: ["Warning Forbidden: Forbidden text"],
    },
    {
      title: "one Event for a problem",
      former: NEW,
      current: TAKEN,
      expected: ["Warning NodeExists: NodeExists text"],
    },
    {
      title: "an Event when a problem is over",
      former: TAKEN,
      current: NEW,
      expected: [
        "Normal NameConflictResolved: condition NameConflict no longer applies",
      ],
    },
    {
      title: "no Event without a change, and for another message alone",
      former: SERVED,
      current: SERVED.map((one) => ({ ...one, message: "other text" })),
      expected: [],
    },
  ]
) {
  Deno.test(`toConditionEvents() returns ${title}`, () => {
    assert.deepEqual(
      toConditionEvents(former, current).map(({ type, reason, message }) =>
        `${type} ${reason}: ${message}`
      ),
      expected,
    );
  });
}
