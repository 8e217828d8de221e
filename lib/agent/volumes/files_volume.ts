// SPDX-License-Identifier: Apache-2.0
/**
 * Files of a configMap, secret, downwardAPI or projected volume, changed all at once under the eyes of running containers:
 *
 * ```
 * volume/..data           -> ..3f9a12c0        swapped by one rename
 * volume/..3f9a12c0/conf/app.toml              this state's files
 * volume/conf             -> ..data/conf       what containers open
 * ```
 */
import { AranyaError, equalBytes } from "../../shared/base/mod.ts";

/** One file as it shall be. */
export interface VolumeFile {
  /** Relative, no `..` in it. */
  path: string;
  content: Uint8Array;
  /** Permission bits. */
  mode: number;
  uid?: number | undefined;
}

/** Options of {@linkcode writeFilesVolume}. */
export interface WriteFilesVolumeOptions {
  /** The volume's folder; it exists. */
  dir: string;
  files: readonly VolumeFile[];
  /** Owning group of all files, as `fsGroup` wishes. */
  gid?: number | undefined;
}

const DATA = "..data";
const DATA_ASIDE = "..data_aside";

/**
 * Has the folder hold these files and no others. Nothing is touched when it does already. Gives whether something changed.
 * @throws {AranyaError} code "invalid" for a path that leaves the volume
 */
export async function writeFilesVolume(
  options: WriteFilesVolumeOptions,
): Promise<{ changed: boolean }> {
  const { dir, files } = options;
  for (const { path } of files) checkPath(path);
  const former = await Deno.readLink(`${dir}/${DATA}`).catch(() => undefined);
  if (former !== undefined && await holds(`${dir}/${former}`, options)) {
    await linkNames(dir, files);
    return { changed: false };
  }
  const name = `..${crypto.randomUUID().slice(0, 8)}`;
  await writeFiles(`${dir}/${name}`, options);
  await Deno.remove(`${dir}/${DATA_ASIDE}`).catch(ignoreAbsent);
  await Deno.symlink(name, `${dir}/${DATA_ASIDE}`);
  await Deno.rename(`${dir}/${DATA_ASIDE}`, `${dir}/${DATA}`);
  await linkNames(dir, files);
  await removeStale(dir, { keep: name, files });
  return { changed: true };
}

function checkPath(path: string): void {
  const parts = path.split("/");
  if (
    path === "" || parts.some((part) => part === "" || part === "..") ||
    path.startsWith("..") || path.includes("\0")
  ) {
    throw new AranyaError(
      "invalid",
      `Cannot write file "${path}" to volume: its path is not a plain relative one`,
    );
  }
}

async function writeFiles(
  dir: string,
  { files, gid }: WriteFilesVolumeOptions,
): Promise<void> {
  await makeFolder(dir, gid);
  for (const file of files) {
    const path = `${dir}/${file.path}`;
    const parts = file.path.split("/").slice(0, -1);
    for (let depth = 1; depth <= parts.length; depth++) {
      await makeFolder(`${dir}/${parts.slice(0, depth).join("/")}`, gid);
    }
    await Deno.writeFile(path, file.content, { mode: 0o600 });
    if (gid !== undefined || file.uid !== undefined) {
      await Deno.chown(path, file.uid ?? null, gid ?? null);
    }
    await Deno.chmod(path, modeOf(file, gid));
  }
}

/** With an fsGroup, that group may read. */
function modeOf(file: VolumeFile, gid: number | undefined): number {
  return gid === undefined ? file.mode : file.mode | 0o440;
}

async function makeFolder(
  path: string,
  gid: number | undefined,
): Promise<void> {
  await Deno.mkdir(path, { recursive: true });
  if (gid !== undefined) await Deno.chown(path, null, gid);
  await Deno.chmod(path, gid === undefined ? 0o755 : 0o2775);
}

/** Whether the folder of the present state is what is wished. */
async function holds(
  dir: string,
  { files, gid }: WriteFilesVolumeOptions,
): Promise<boolean> {
  try {
    for (const file of files) {
      const info = await Deno.stat(`${dir}/${file.path}`);
      if (((info.mode ?? 0) & 0o7777) !== modeOf(file, gid)) return false;
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

const firstPart = (file: VolumeFile) => file.path.split("/")[0] ?? "";

async function linkNames(
  dir: string,
  files: readonly VolumeFile[],
): Promise<void> {
  for (const name of new Set(files.map(firstPart))) {
    const path = `${dir}/${name}`;
    const present = await Deno.readLink(path).catch(() => undefined);
    if (present === `${DATA}/${name}`) continue;
    await Deno.remove(path, { recursive: true }).catch(ignoreAbsent);
    await Deno.symlink(`${DATA}/${name}`, path);
  }
}

async function removeStale(
  dir: string,
  { keep, files }: { keep: string; files: readonly VolumeFile[] },
): Promise<void> {
  const wanted = new Set([keep, DATA, ...files.map(firstPart)]);
  for (const entry of await Array.fromAsync(Deno.readDir(dir))) {
    if (wanted.has(entry.name)) continue;
    await Deno.remove(`${dir}/${entry.name}`, { recursive: true }).catch(
      ignoreAbsent,
    );
  }
}

function ignoreAbsent(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
