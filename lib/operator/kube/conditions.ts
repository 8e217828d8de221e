// SPDX-License-Identifier: Apache-2.0
/** Conditions of an object's status: transition times, and patches of what differs. */
import { toRfc3339 } from "../../shared/base/mod.ts";
import type { Condition } from "./objects.ts";

/** Options of {@linkcode mergeConditions} and {@linkcode toConditionsPatch}. */
export interface FormerConditions {
  /** Conditions that the object has now. */
  former: readonly Condition[] | undefined;
  /** Wall-clock time, in milliseconds since 1970. */
  nowMs: number;
}

/** A condition with its transition time set. */
export type TimedCondition<T extends Condition = Condition> = T & {
  lastTransitionTime: string;
};

/**
 * Returns the desired conditions, each with its `lastTransitionTime`: the former one while `status`
 * stays the same, else now. As in `meta.SetStatusCondition` of apimachinery, a new reason or
 * message is no transition. Conditions that are not desired are left out; the order is that of
 * `desired`. Nothing passed in is changed.
 */
export function mergeConditions<T extends Condition>(
  desired: readonly T[],
  { former = [], nowMs }: FormerConditions,
): TimedCondition<T>[] {
  const now = toRfc3339(nowMs);
  return desired.map((condition) => {
    const before = former.find(({ type }) => type === condition.type);
    const keptTime = before?.status === condition.status
      ? before.lastTransitionTime
      : undefined;
    return { ...condition, lastTransitionTime: keptTime ?? now };
  });
}

/**
 * Returns whether type, status, reason and message are equal; times don't count. An absent text
 * equals an empty one, because the API server leaves empty texts out.
 */
export function isSameCondition(
  condition: Condition | undefined,
  other: Condition | undefined,
): boolean {
  return condition?.type === other?.type &&
    condition?.status === other?.status &&
    (condition?.reason ?? "") === (other?.reason ?? "") &&
    (condition?.message ?? "") === (other?.message ?? "");
}

/** One element of `status.conditions` in a strategic merge patch; null removes a field. */
export type ConditionPatch<T extends Condition = Condition> =
  & Omit<TimedCondition<T>, "reason" | "message">
  & { reason: string | null; message: string | null };

/**
 * Returns the elements of `status.conditions` for a strategic merge patch: the desired conditions
 * that differ from the former ones, with `lastTransitionTime` as in {@linkcode mergeConditions}.
 * The API server merges the list by `type`, so that conditions which are not named stay as they
 * are. A reason or message that is not desired is null, which removes it. Empty when nothing
 * differs.
 */
export function toConditionsPatch<T extends Condition>(
  desired: readonly T[],
  { former = [], nowMs }: FormerConditions,
): ConditionPatch<T>[] {
  const changed = desired.filter((condition) =>
    !isSameCondition(
      former.find(({ type }) => type === condition.type),
      condition,
    )
  );
  return mergeConditions(changed, { former, nowMs }).map((condition) => ({
    ...condition,
    reason: condition.reason ?? null,
    message: condition.message ?? null,
  }));
}
