// SPDX-License-Identifier: Apache-2.0
/**
 * Why a difference is kept. A pod whose differences all have a reason counts as explained; a
 * difference without one is still to be mended.
 */
import type { CaseDifferences } from "./compare.ts";
import { type DifferenceGroup, groupDifferences } from "./difference_groups.ts";

/** A reason for all differences whose text, as `reasonOf` makes it, matches. */
export interface DifferenceReason {
  /** Exact enough that no other difference in the same output matches. */
  pattern: RegExp;
  /** A sentence for docs/parity.md. */
  reason: string;
}

/** Reasons in order; the first that matches holds. */
export const REASONS: readonly DifferenceReason[] = [
  {
    // Both outputs are equal but for the mode of seccomp.
    pattern:
      /^logs\.identity\.stdout: ([\s\S]*)Seccomp:\t0\n([\s\S]*) → \1Seccomp:\t2\n\2$/,
    reason:
      "Docker's default profile filters system calls also where a pod names no profile, which a kubelet leaves unconfined unless it has seccompDefault: stricter, and what runs on the device today is used to it.",
  },
  {
    pattern: /: 1024\n1\t0\n → 0\n0\t2147483647\n$/,
    reason:
      "Docker lets containers bind ports below 1024 and ping without a capability, which containerd does not by default: pods on devices may rely on it.",
  },
  {
    pattern: /^logs\.log\.stdout: <node>\n1\n → <node>\n2\n$/,
    reason:
      "The number of network interfaces that the two machines of the comparison have.",
  },
];

/**
 * Returns the reason of a group, or "" when it has none. The patterns are compared with
 * `path: value of the kubelet → value of the device`, in which an absent value is empty.
 */
export function reasonOf(
  { path, expected, actual }: DifferenceGroup,
  reasons: readonly DifferenceReason[] = REASONS,
): string {
  const text = `${path}: ${expected ?? ""} → ${actual ?? ""}`;
  return reasons.find(({ pattern }) => pattern.test(text))?.reason ?? "";
}

/** Returns whether each difference of a pod has a reason. */
export function isExplained(
  name: string,
  differences: CaseDifferences,
  reasons: readonly DifferenceReason[] = REASONS,
): boolean {
  return groupDifferences(new Map([[name, differences]])).every((group) =>
    reasonOf(group, reasons) !== ""
  );
}
