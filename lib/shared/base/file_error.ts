// SPDX-License-Identifier: Apache-2.0
/** Errors of reading a file that a user has named. */

/** Returns why a file could not be read, as the end of a sentence. */
export function toFileReason(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "the file does not exist";
  if (
    error instanceof Deno.errors.PermissionDenied ||
    error instanceof Deno.errors.NotCapable
  ) return "no permission to read it";
  if (error instanceof Deno.errors.IsADirectory) return "it is a directory";
  return error instanceof Error
    ? error.message.split("\n")[0] ?? error.name
    : String(error);
}
