// SPDX-License-Identifier: Apache-2.0
/** Events of an EdgeDevice about changes of its conditions. */
import type { Condition } from "../kube/mod.ts";
import { NEVER_CONNECTED } from "./link.ts";

/** An Event about the EdgeDevice. */
export interface ConditionEvent {
  type: "Normal" | "Warning";
  /** CamelCase. */
  reason: string;
  message: string;
}

/**
 * Returns an Event for each condition that has changed its status or reason, with the condition's
 * reason and message. `Ready` repeats the reason of another condition when that is its cause, which
 * has an Event of its own. A device that has not connected yet is no event.
 */
export function toConditionEvents(
  former: readonly Condition[] = [],
  current: readonly Condition[] = [],
): ConditionEvent[] {
  const events: ConditionEvent[] = [];
  for (const condition of current) {
    const { type, status, reason = type, message = "" } = condition;
    const before = former.find((one) => one.type === type);
    if (before?.status === status && before.reason === reason) continue;
    const isProblem = type !== "Connected" && type !== "Ready";
    const isGood = isProblem ? status !== "True" : status === "True";
    if (reason === NEVER_CONNECTED) continue;
    const isRepeated = type === "Ready" &&
      current.some((other) => other !== condition && other.reason === reason);
    if (isRepeated) continue;
    events.push({ type: isGood ? "Normal" : "Warning", reason, message });
  }
  for (const { type } of former) {
    if (current.some((one) => one.type === type)) continue;
    events.push({
      type: "Normal",
      reason: `${type}Resolved`,
      message: `condition ${type} no longer applies`,
    });
  }
  return events;
}
