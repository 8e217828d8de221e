// SPDX-License-Identifier: Apache-2.0
/** Selectors of objects by their labels. */

/** Returns a selector of the objects that have all these labels. */
export function toLabelSelector(labels: Record<string, string>): string {
  return Object.entries(labels).map(([key, value]) => `${key}=${value}`)
    .join(",");
}
