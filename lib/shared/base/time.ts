// SPDX-License-Identifier: Apache-2.0
/** Formats of points in time, as Kubernetes objects carry them. */

/**
 * Formats a time as RFC 3339 in UTC without a fraction, like `metav1.Time`: "2026-05-04T03:02:01Z".
 * The fraction is cut off, not rounded.
 * @param unixMs milliseconds since 1970; what a protobuf int64 holds may be passed as it is
 * @throws {RangeError} when the time is outside of what `Date` can hold
 */
export function toRfc3339(unixMs: number | bigint): string {
  return new Date(Number(unixMs)).toISOString().replace(/\.\d+Z$/, "Z");
}

/**
 * Formats a time as RFC 3339 in UTC with six digits of fraction, like `metav1.MicroTime` of a Lease
 * or an Event: "2026-05-04T03:02:01.250000Z".
 * @param unixMs milliseconds since 1970
 * @throws {RangeError} when the time is outside of what `Date` can hold
 */
export function toRfc3339Micro(unixMs: number): string {
  return new Date(unixMs).toISOString().replace("Z", "000Z");
}
