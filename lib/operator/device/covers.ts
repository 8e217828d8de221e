// SPDX-License-Identifier: Apache-2.0
/** Comparison of an object with its desired state. */

/**
 * Returns whether an object has every field of the desired state with an equal value, at any depth.
 * Other fields, such as defaults and those of other clients, don't matter. Lists have to have the
 * same length and order.
 */
export function covers(actual: unknown, desired: unknown): boolean {
  if (desired === undefined) return true;
  if (Array.isArray(desired)) {
    return Array.isArray(actual) && actual.length === desired.length &&
      desired.every((item, index) => covers(actual[index], item));
  }
  if (desired !== null && typeof desired === "object") {
    // The API server leaves empty maps out.
    if (actual === null || typeof actual !== "object") {
      return Object.keys(desired).length === 0;
    }
    const fields = actual as Record<string, unknown>;
    return Object.entries(desired).every(([key, value]) =>
      covers(fields[key], value)
    );
  }
  return Object.is(actual, desired);
}
