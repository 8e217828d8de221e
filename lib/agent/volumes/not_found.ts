// SPDX-License-Identifier: Apache-2.0
/** File operations on paths that may be absent. */

/** Resolves as the operation does, or to undefined when the path does not exist. */
export async function ignoreNotFound<T>(
  operation: Promise<T>,
): Promise<T | undefined> {
  try {
    return await operation;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
