// SPDX-License-Identifier: Apache-2.0
/** JSON values as paths and leaves, so that two of them can be compared leaf by leaf. */

/** Values by path, e.g. `status.conditions[Ready].reason` → `"PodCompleted"`. */
export type Leaves = Record<string, string | number | boolean>;

/** Fields that name an element of a list, in order of preference. */
const KEYS = ["type", "mountPath", "name", "ip"];

/** Returns the leaves of a value; elements of lists are named by their key where all have one. */
export function flatten(value: unknown, path = ""): Leaves {
  const leaves: Leaves = {};
  visit(value, path, leaves);
  return leaves;
}

function visit(value: unknown, path: string, leaves: Leaves): void {
  // The API server writes null for some times that are not set.
  if (value === undefined || value === null) return;
  if (typeof value !== "object") {
    leaves[path] = value as Leaves[string];
  } else if (Array.isArray(value)) visitList(value, path, leaves);
  else {
    const entries = Object.entries(value);
    if (entries.length === 0) leaves[path] = "{}";
    for (const [key, child] of entries) {
      visit(child, path ? `${path}.${key}` : key, leaves);
    }
  }
}

function visitList(list: unknown[], path: string, leaves: Leaves): void {
  if (list.length === 0) leaves[path] = "[]";
  const key = KEYS.find((one) =>
    list.every((item) => item && typeof item === "object" && one in item)
  );
  list.forEach((item, index) => {
    if (!key) return visit(item, `${path}[${index}]`, leaves);
    // The key is part of the path.
    const { [key]: name, ...rest } = item as Record<string, unknown>;
    visit(rest, `${path}[${name}]`, leaves);
  });
}
