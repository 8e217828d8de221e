// SPDX-License-Identifier: Apache-2.0
/** Durations as Kubernetes writes them (`metav1.Duration`). */

/** Milliseconds of each unit, the largest first. */
const UNIT_MS: Record<string, number> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
};

/**
 * Parses a text like "1m30s", "500ms", "1.5h" or "0" into whole milliseconds, rounded.
 * @throws {SyntaxError} for anything else, also for a negative duration
 */
export function parseDuration(text: string): number {
  if (text === "0") return 0;
  if (!/^(?:\d+(?:\.\d+)?(?:h|ms|m|s))+$/.test(text)) {
    throw new SyntaxError(
      `Cannot parse duration "${text}": expected a text like "1m30s"`,
    );
  }
  let sumMs = 0;
  for (const [, value, unit] of text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g)) {
    sumMs += Number(value) * (UNIT_MS[unit ?? ""] ?? NaN);
  }
  return Math.round(sumMs);
}

/**
 * Formats milliseconds as the shortest text that {@linkcode parseDuration} reads, e.g. "1m30s".
 * @throws {RangeError} for a negative or fractional number
 */
export function formatDuration(durationMs: number): string {
  if (!Number.isSafeInteger(durationMs) || durationMs < 0) {
    throw new RangeError(
      `Cannot format duration: it must be a whole number of milliseconds from 0: current value is ${durationMs}`,
    );
  }
  if (durationMs === 0) return "0s";
  let restMs = durationMs;
  let text = "";
  for (const [unit, unitMs] of Object.entries(UNIT_MS)) {
    const count = Math.floor(restMs / unitMs);
    if (count > 0) text += `${count}${unit}`;
    restMs -= count * unitMs;
  }
  return text;
}
