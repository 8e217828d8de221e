// SPDX-License-Identifier: Apache-2.0
/** Durations as Kubernetes writes them. */

const UNIT_MS: Record<string, number> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
};

/**
 * Milliseconds of a text like "1m30s", "500ms" or "1.5h"; "0" is zero.
 * @throws {SyntaxError} when it is none, or negative
 */
export function parseDuration(text: string): number {
  if (text === "0") return 0;
  if (!/^(?:\d+(?:\.\d+)?(?:h|ms|m|s))+$/.test(text)) {
    throw new SyntaxError(
      `Cannot read duration "${text}": it is not like "1m30s"`,
    );
  }
  let sumMs = 0;
  for (const [, value, unit] of text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g)) {
    sumMs += Number(value) * (UNIT_MS[unit ?? ""] ?? NaN);
  }
  return sumMs;
}

/** The shortest text of whole milliseconds, e.g. "1m30s". */
export function formatDuration(durationMs: number): string {
  if (!Number.isSafeInteger(durationMs) || durationMs < 0) {
    throw new RangeError(
      `Cannot write duration: it must be a whole number of milliseconds from 0: current value is ${durationMs}`,
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
