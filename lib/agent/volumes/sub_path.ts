// SPDX-License-Identifier: Apache-2.0
/** Mounts of a part of a volume: the subPath of a volume mount. */
import { AranyaError } from "../../shared/base/mod.ts";
import type { Mount } from "../../shared/wire/mod.ts";
import type { Mounts } from "./mounts.ts";
import { ignoreNotFound } from "./not_found.ts";

/** Options of {@linkcode mountSubPath}. */
export interface MountSubPathOptions {
  /** The mount with a subPath. */
  mount: Mount;
  /** Path that the subPath is bind mounted on, in a directory that no container sees. */
  target: string;
  mounts: Pick<Mounts, "bindMount" | "listMounts" | "unmount">;
}

/** The part of a path that exists, and what follows it. */
interface ExistingPath {
  /** Real path inside the volume. */
  path: string;
  /** Names that don't exist below it. */
  missing: readonly string[];
}

/**
 * Returns the real path of a subPath below `volumeDir`, with all symbolic links resolved. Only for
 * volumes that containers can't change: another process could replace the path by a link later.
 * @throws {AranyaError} code "invalid" when it does not exist, or leads out of the volume, be it by
 * a symbolic link
 */
export async function resolveSubPath(
  volumeDir: string,
  mount: Mount,
): Promise<string> {
  const { path, missing } = await findExisting(volumeDir, mount);
  if (missing.length > 0) {
    throw toError(mount, "the path does not exist");
  }
  return path;
}

/**
 * Bind mounts a subPath of a volume on `target`, which it creates; an absent subPath is created
 * as a directory with the mode of the volume's root. Does nothing when it is mounted already.
 *
 * Containers may change the volume meanwhile. So that a path that they replace by a link can't lead
 * out of the volume, nothing is created or changed by a path inside the volume: a directory is
 * mounted first, compared with the list of mounts of the kernel, and then used through the
 * mount. A kubelet does the same with file descriptors (pkg/volume/util/subpath).
 * @throws {AranyaError} code "invalid" when it leads out of the volume, be it by a symbolic link,
 * "conflict" when it is replaced meanwhile; what the mount reports
 */
export async function mountSubPath(
  volumeDir: string,
  options: MountSubPathOptions,
): Promise<void> {
  const { mount, target } = options;
  const scratch = `${target}.new`;
  const turns = mount.subPath.split("/").length;
  let wasCreated = false;
  for (let turn = 0; turn <= turns; turn++) {
    const { path, missing } = await findExisting(volumeDir, mount);
    const [name] = missing;
    const at = name === undefined ? target : scratch;
    await bindVerified(path, { ...options, target: at });
    if (wasCreated) await Deno.chmod(at, await readMode(volumeDir));
    if (name === undefined) return;
    try {
      await createDir(`${at}/${name}`);
      wasCreated = true;
    } finally {
      await removeTarget(at, options);
    }
  }
  throw toReplacedError(mount);
}

/** @throws {AranyaError} code "invalid" when the existing part leads out of the volume */
async function findExisting(
  volumeDir: string,
  mount: Mount,
): Promise<ExistingPath> {
  const { subPath } = mount;
  const parts = subPath.split("/").filter((part) => part !== "");
  if (parts.includes("..") || subPath.startsWith("/")) {
    throw toOutsideError(mount);
  }
  const rootPath = await Deno.realPath(volumeDir);
  let path = rootPath;
  for (const [index, part] of parts.entries()) {
    const next = `${path}/${part}`;
    const info = await ignoreNotFound(Deno.lstat(next));
    if (info === undefined) return { path, missing: parts.slice(index) };
    path = await Deno.realPath(next).catch((error) => {
      throw toError(mount, "the path does not exist", { cause: error });
    });
    if (path !== rootPath && !path.startsWith(`${rootPath}/`)) {
      throw toOutsideError(mount);
    }
  }
  return { path, missing: [] };
}

/** Bind mounts a path, and makes sure that it is this path that was mounted. */
async function bindVerified(
  path: string,
  options: MountSubPathOptions,
): Promise<void> {
  const { mount, target, mounts } = options;
  const expected = await locate(path, mounts);
  if (isSame(await findMount(target, mounts), expected)) return;
  await removeTarget(target, options);
  const { isDirectory } = await Deno.lstat(path);
  if (isDirectory) await Deno.mkdir(target);
  else await Deno.writeFile(target, new Uint8Array(), { createNew: true });
  await mounts.bindMount(path, target);
  if (isSame(await findMount(target, mounts), expected)) return;
  await removeTarget(target, options);
  throw toReplacedError(mount);
}

/** A place in a file system, whatever is mounted where. */
interface Location {
  device: string;
  root: string;
}

function isSame(found: Location | undefined, expected: Location): boolean {
  return found?.device === expected.device && found.root === expected.root;
}

/** Returns where a real path lies, from the innermost mount that contains it. */
async function locate(
  path: string,
  mounts: MountSubPathOptions["mounts"],
): Promise<Location> {
  let innermost = { path: "", device: "", root: "" };
  for (const entry of await mounts.listMounts()) {
    const contains = entry.path === "/" || entry.path === path ||
      path.startsWith(`${entry.path}/`);
    // Of several mounts on one path, the last one is visible.
    if (contains && entry.path.length >= innermost.path.length) {
      innermost = entry;
    }
  }
  const below = innermost.path === "/"
    ? path
    : path.slice(innermost.path.length);
  const root = innermost.root === "/" ? below : `${innermost.root}${below}`;
  return { device: innermost.device, root: root || "/" };
}

/** Returns what is mounted on a path; undefined when nothing is. */
async function findMount(
  target: string,
  mounts: MountSubPathOptions["mounts"],
): Promise<Location | undefined> {
  const path = await ignoreNotFound(Deno.realPath(target));
  return (await mounts.listMounts()).findLast((one) => one.path === path);
}

/** Unmounts and removes a target, if there is one. */
async function removeTarget(
  target: string,
  { mounts }: MountSubPathOptions,
): Promise<void> {
  while (await findMount(target, mounts)) await mounts.unmount(target);
  await ignoreNotFound(Deno.remove(target));
}

/** Creates a directory; one that was created meanwhile is as good. */
async function createDir(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { mode: 0o750 });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

async function readMode(path: string): Promise<number> {
  return ((await Deno.stat(path)).mode ?? 0o755) & 0o7777;
}

function toOutsideError(mount: Mount): AranyaError {
  return toError(mount, "the path leads out of the volume");
}

function toReplacedError({ subPath, volume }: Mount): AranyaError {
  return new AranyaError(
    "conflict",
    `Cannot mount subPath "${subPath}" of volume "${volume}": the path was replaced meanwhile`,
  );
}

function toError(
  { subPath, volume }: Mount,
  reason: string,
  options: { cause?: unknown } = {},
): AranyaError {
  return new AranyaError(
    "invalid",
    `Cannot mount subPath "${subPath}" of volume "${volume}": ${reason}`,
    options,
  );
}
