// SPDX-License-Identifier: Apache-2.0
/** Volumes that hold files: configMap, secret, downwardAPI and projected. */
import { AranyaError, equalBytes } from "../../shared/base/mod.ts";
import { ignoreNotFound } from "./not_found.ts";

/** One file of a volume. */
export interface VolumeFile {
  /** Relative to the volume, without `..`. */
  path: string;
  content: Uint8Array;
  /** Permission bits. */
  mode: number;
  /** Owner; the agent's user when undefined. */
  uid?: number | undefined;
}

/** Options of {@linkcode writeFilesVolume}. */
export interface WriteFilesVolumeOptions {
  /** Root of the volume; it exists. */
  dir: string;
  files: readonly VolumeFile[];
  /** Owning group of all files (`fsGroup`); the group may read them. */
  gid?: number | undefined;
}

/** Name of the symbolic link to the current files. */
const DATA_LINK = "..data";
const NEW_DATA_LINK = "..data_aside";

/**
 * Replaces the files of a volume, all at once for the containers that read them, and returns
 * whether anything changed. Nothing is written when the volume holds exactly these files already.
 *
 * The layout is that of a kubelet (`AtomicWriter`), which programs rely on to notice changes:
 *
 * ```
 * volume/..data           -> ..3f9a12c0        swapped by one rename
 * volume/..3f9a12c0/conf/app.toml              the current files
 * volume/conf             -> ..data/conf       what containers open
 * ```
 * @throws {AranyaError} code "invalid" for a path that leads out of the volume
 */
export async function writeFilesVolume(
  options: WriteFilesVolumeOptions,
): Promise<{ changed: boolean }> {
  const { dir, files } = options;
  for (const { path } of files) checkPath(path);
  const current = await readLink(`${dir}/${DATA_LINK}`);
  if (current !== undefined && await hasFiles(`${dir}/${current}`, options)) {
    await linkNames(dir, files);
    // An earlier call may have been interrupted after the swap.
    await removeOthers(dir, { current, files });
    return { changed: false };
  }
  const next = `..${crypto.randomUUID().slice(0, 8)}`;
  await writeFiles(`${dir}/${next}`, options);
  // Left over when an earlier call was interrupted.
  await ignoreNotFound(Deno.remove(`${dir}/${NEW_DATA_LINK}`));
  await Deno.symlink(next, `${dir}/${NEW_DATA_LINK}`);
  await Deno.rename(`${dir}/${NEW_DATA_LINK}`, `${dir}/${DATA_LINK}`);
  await linkNames(dir, files);
  await removeOthers(dir, { current: next, files });
  return { changed: true };
}

/** Returns whether a directory holds what `writeFilesVolume` has written. */
export async function isFilesVolume(dir: string): Promise<boolean> {
  return await readLink(`${dir}/${DATA_LINK}`) !== undefined;
}

function checkPath(path: string): void {
  const parts = path.split("/");
  if (
    path === "" || parts.some((part) => part === "" || part === "..") ||
    path.startsWith("..") || path.includes("\0")
  ) {
    throw new AranyaError(
      "invalid",
      `Cannot write file "${path}" to volume: not a relative path inside the volume`,
    );
  }
}

async function writeFiles(
  dir: string,
  { files, gid }: WriteFilesVolumeOptions,
): Promise<void> {
  await createDir(dir, gid);
  for (const file of files) {
    const path = `${dir}/${file.path}`;
    const parents = file.path.split("/").slice(0, -1);
    for (let depth = 1; depth <= parents.length; depth++) {
      await createDir(`${dir}/${parents.slice(0, depth).join("/")}`, gid);
    }
    // Others must not read it before owner and mode are set.
    await Deno.writeFile(path, file.content, { mode: 0o600 });
    if (gid !== undefined || file.uid !== undefined) {
      await Deno.chown(path, file.uid ?? null, gid ?? null);
    }
    await Deno.chmod(path, toMode(file, gid));
  }
}

/** Returns the permission bits of a file; with an fsGroup, that group may read it. */
function toMode(file: VolumeFile, gid: number | undefined): number {
  return gid === undefined ? file.mode : file.mode | 0o440;
}

async function createDir(path: string, gid: number | undefined): Promise<void> {
  await Deno.mkdir(path, { recursive: true });
  if (gid !== undefined) await Deno.chown(path, null, gid);
  await Deno.chmod(path, gid === undefined ? 0o755 : 0o2775);
}

/** Returns whether a directory holds exactly these files, with their owners and modes. */
async function hasFiles(
  dir: string,
  { files, gid }: WriteFilesVolumeOptions,
): Promise<boolean> {
  try {
    for (const file of files) {
      const info = await Deno.stat(`${dir}/${file.path}`);
      if (((info.mode ?? 0) & 0o7777) !== toMode(file, gid)) return false;
      if (gid !== undefined && info.gid !== gid) return false;
      if (file.uid !== undefined && info.uid !== file.uid) return false;
      if (info.size !== file.content.length) return false;
      const content = await Deno.readFile(`${dir}/${file.path}`);
      if (!equalBytes(content, file.content)) return false;
    }
    return await countFiles(dir) === files.length;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function countFiles(dir: string): Promise<number> {
  let count = 0;
  for await (const entry of Deno.readDir(dir)) {
    count += entry.isDirectory ? await countFiles(`${dir}/${entry.name}`) : 1;
  }
  return count;
}

/**
 * Creates the links to the files and directories at the top of the volume, where they are missing.
 */
async function linkNames(
  dir: string,
  files: readonly VolumeFile[],
): Promise<void> {
  for (const name of new Set(files.map(toTopName))) {
    const path = `${dir}/${name}`;
    const target = `${DATA_LINK}/${name}`;
    if (await readLink(path) === target) continue;
    await ignoreNotFound(Deno.remove(path, { recursive: true }));
    await Deno.symlink(target, path);
  }
}

/** Removes the files before the swap, and links to names that are no longer in the volume. */
async function removeOthers(
  dir: string,
  { current, files }: { current: string; files: readonly VolumeFile[] },
): Promise<void> {
  const kept = new Set([current, DATA_LINK, ...files.map(toTopName)]);
  for (const entry of await Array.fromAsync(Deno.readDir(dir))) {
    if (kept.has(entry.name)) continue;
    await ignoreNotFound(
      Deno.remove(`${dir}/${entry.name}`, { recursive: true }),
    );
  }
}

/** Returns the first part of a file's path. */
function toTopName(file: VolumeFile): string {
  return file.path.split("/")[0] ?? "";
}

/** Returns the target of a symbolic link; undefined when the path is something else. */
async function readLink(path: string): Promise<string | undefined> {
  try {
    return await Deno.readLink(path);
  } catch {
    return undefined;
  }
}
