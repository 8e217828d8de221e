// SPDX-License-Identifier: Apache-2.0
/** Why a stable difference is kept, or that it is still to be mended. */
import type { DifferenceGroup } from "./difference_groups.ts";

/** A reason for all differences whose path, or path with both values, matches. */
export interface DifferenceReason {
  pattern: RegExp;
  reason: string;
}

/** Reasons in order; the first that matches holds. */
export const REASONS: readonly DifferenceReason[] = [];

/** Returns the reason of a group, or "" when it has none yet. */
export function reasonOf(
  { path, expected, actual }: DifferenceGroup,
  reasons: readonly DifferenceReason[] = REASONS,
): string {
  const text = `${path}: ${expected ?? ""} → ${actual ?? ""}`;
  return reasons.find(({ pattern }) => pattern.test(text))?.reason ?? "";
}
