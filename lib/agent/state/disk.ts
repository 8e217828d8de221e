// SPDX-License-Identifier: Apache-2.0
/** Files that are there whole or not at all, and what the disk's errors mean. */
import { AranyaError } from "../../shared/base/mod.ts";

/** What files in the making end with; any left over from a power cut may be removed. */
export const ASIDE_SUFFIX = ".aside";

/** Options of {@linkcode replaceFile}. */
export interface ReplaceFileOptions {
  /** Permission bits. @default 0o600 */
  mode?: number;
}

/**
 * Puts these bytes in the place of a file: written aside, brought to the disk, renamed. A reader, or a power cut, meets the old or the
 * new content. The rename itself is durable after {@linkcode syncDir} of the folder.
 */
export async function replaceFile(
  file: { path: string; content: Uint8Array },
  options: ReplaceFileOptions = {},
): Promise<void> {
  const aside = `${file.path}.${
    crypto.randomUUID().slice(0, 8)
  }${ASIDE_SUFFIX}`;
  try {
    const out = await Deno.open(aside, {
      write: true,
      createNew: true,
      mode: options.mode ?? 0o600,
    });
    try {
      for (let sent = 0; sent < file.content.length;) {
        sent += await out.write(file.content.subarray(sent));
      }
      await out.sync();
    } finally {
      out.close();
    }
    await Deno.rename(aside, file.path);
  } catch (error) {
    await Deno.remove(aside).catch(() => {});
    throw error;
  }
}

/** Brings a folder's entries (renames, removals) to the disk. File systems that can't do so for folders are left alone. */
export async function syncDir(path: string): Promise<void> {
  let folder: Deno.FsFile | undefined;
  try {
    folder = await Deno.open(path);
    await folder.sync();
  } catch (error) {
    // EINVAL: this file system has no such operation on folders.
    if (!(error instanceof Error && /os error 22\b/.test(error.message))) {
      throw error;
    }
  } finally {
    folder?.close();
  }
}

/** A disk's error as a sentence: `<action>: no space left on device`. */
export function fromDiskError(error: unknown, action: string): AranyaError {
  if (error instanceof AranyaError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const failed = (state: string) =>
    new AranyaError("internal", `${action}: ${state}`, { cause: error });
  if (/os error (28|122)\b/.test(text)) {
    return failed("no space is left on the device");
  }
  if (/os error 30\b/.test(text)) return failed("the file system is read-only");
  if (
    error instanceof Deno.errors.PermissionDenied ||
    error instanceof Deno.errors.NotCapable || /os error (1|13)\b/.test(text)
  ) return failed("permission denied");
  if (
    error instanceof Deno.errors.NotADirectory || /os error 20\b/.test(text)
  ) {
    return failed("a part of the path is not a folder");
  }
  return failed(text.replace(/ \(os error \d+\).*$/s, ""));
}
