// SPDX-License-Identifier: Apache-2.0
/** The mounts of the machine, as this room uses them, and their removal. */
import { AranyaError } from "../../shared/base/mod.ts";
import { ignoreNotFound } from "./not_found.ts";

/** A file system in memory. */
export interface TmpfsOptions {
  /** 0 leaves the kernel's default: half of the memory. */
  sizeBytes: number;
  /** Permission bits of its root. @default 0o755 */
  mode?: number;
  /** Group of its root. @default 0 */
  gid?: number;
}

/** Mounts on the machine; implemented outside of this room, since it takes programs. */
export interface Mounts {
  /**
   * Mounts a tmpfs on an empty directory.
   * @param options.sizeBytes its limit; 0 for half of the machine's memory
   * @throws {AranyaError} when it can't be mounted, e.g. without root
   */
  mountTmpfs(path: string, options: TmpfsOptions): Promise<void>;
  /**
   * Mounts a directory or file on another one, without the mounts below it.
   * @throws {AranyaError} when it can't be mounted, e.g. without root
   */
  bindMount(source: string, target: string): Promise<void>;
  /**
   * Returns what is mounted, oldest first: on which path, and which path of which file system.
   */
  listMounts(): Promise<
    readonly { path: string; device: string; root: string }[]
  >;
  /** Unmounts it. @throws {AranyaError} when it can't be unmounted */
  unmount(path: string): Promise<void>;
}

/** Upper bound of the mounts below one directory. */
const MAX_MOUNTS = 1_000;

/**
 * Unmounts everything that is mounted below a directory, the innermost first, so that removing the
 * directory removes nothing of another file system.
 * @throws {AranyaError} when something can't be unmounted
 */
export async function unmountBelow(dir: string, mounts: Mounts): Promise<void> {
  const realDir = await ignoreNotFound(Deno.realPath(dir));
  if (realDir === undefined) return;
  for (let count = 0; count < MAX_MOUNTS; count++) {
    // Listed each time: with mount propagation, one unmount may remove several.
    const last = (await mounts.listMounts()).findLast(({ path }) =>
      path.startsWith(`${realDir}/`)
    );
    if (!last) return;
    await mounts.unmount(last.path);
  }
  throw new AranyaError(
    "internal",
    `Cannot unmount what is below "${dir}": still mounted after ${MAX_MOUNTS} attempts`,
  );
}
