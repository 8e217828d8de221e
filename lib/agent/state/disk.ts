// SPDX-License-Identifier: Apache-2.0
/** Atomic replacement of files, and the meaning of disk errors. */
import { AranyaError } from "../../shared/base/mod.ts";

/** End of the names of unfinished files. One that a power cut left over may be removed. */
export const ASIDE_SUFFIX = ".aside";

/** Options of {@linkcode replaceFile}. */
export interface ReplaceFileOptions {
  /** Permission bits. @default 0o600 */
  mode?: number;
}

/**
 * Replaces the content of a file, or creates it. The content is written to another file, flushed to
 * the disk and renamed: a reader sees the old or the new content, also after a power cut. The
 * rename itself is durable after {@linkcode syncDir} of the directory.
 * @throws what the file system reports, see {@linkcode fromDiskError}; the old content is then kept
 */
export async function replaceFile(
  { path, content }: { path: string; content: Uint8Array },
  { mode = 0o600 }: ReplaceFileOptions = {},
): Promise<void> {
  const asidePath = `${path}.${crypto.randomUUID().slice(0, 8)}${ASIDE_SUFFIX}`;
  try {
    const file = await Deno.open(asidePath, {
      write: true,
      createNew: true,
      mode,
    });
    try {
      for (let written = 0; written < content.length;) {
        written += await file.write(content.subarray(written));
      }
      await file.sync();
    } finally {
      file.close();
    }
    await Deno.rename(asidePath, path);
  } catch (error) {
    await Deno.remove(asidePath).catch(() => {});
    throw error;
  }
}

/**
 * Flushes the entries of a directory (creations, renames, removals) to the disk. Does nothing on
 * file systems that have no such operation.
 */
export async function syncDir(path: string): Promise<void> {
  let dir: Deno.FsFile | undefined;
  try {
    dir = await Deno.open(path);
    await dir.sync();
  } catch (error) {
    // EINVAL: the file system can't sync directories.
    if (!(error instanceof Error && /os error 22\b/.test(error.message))) {
      throw error;
    }
  } finally {
    dir?.close();
  }
}

/**
 * Converts an error of the file system to `<action>: <what is wrong>`, code "internal". Errors that
 * are already translated are returned as they are.
 */
export function fromDiskError(error: unknown, action: string): AranyaError {
  if (error instanceof AranyaError) return error;
  return new AranyaError("internal", `${action}: ${describe(error)}`, {
    cause: error,
  });
}

/** Returns whether an error of the file system means that there is no space left. */
export function isDiskFull(error: unknown): boolean {
  // ENOSPC, EDQUOT
  return error instanceof Error && /os error (28|122)\b/.test(error.message);
}

function describe(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  if (isDiskFull(error)) return "no space left on the device";
  // EROFS
  if (/os error 30\b/.test(text)) return "the file system is read-only";
  if (
    error instanceof Deno.errors.PermissionDenied ||
    error instanceof Deno.errors.NotCapable || /os error (1|13)\b/.test(text)
  ) return "permission denied";
  if (
    error instanceof Deno.errors.NotADirectory || /os error 20\b/.test(text)
  ) return "a part of the path is not a directory";
  return text.replace(/ \(os error \d+\).*$/s, "");
}
