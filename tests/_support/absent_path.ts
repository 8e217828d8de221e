// SPDX-License-Identifier: Apache-2.0
/** A path where nothing exists, for tests of what is missing. */

/** Returns the path of a temporary directory that was removed again. */
export function absentPath(): string {
  const path = Deno.makeTempDirSync();
  Deno.removeSync(path);
  return path;
}
