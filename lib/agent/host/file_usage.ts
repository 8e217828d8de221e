// SPDX-License-Identifier: Apache-2.0
/** Space that files take on disk. */
import { lstat, readdir } from "node:fs";
import { promisify } from "node:util";

/** Unit of `st_blocks` in stat(2), whatever the file system. */
const BLOCK_BYTES = 512;

/**
 * Returns the bytes on disk of the files in a directory, without those in its directories. 0 when
 * it can't be read, e.g. because it is on another machine.
 */
export async function measureFiles(dir: string): Promise<number> {
  const names = await promisify(readdir)(dir).catch(() => []);
  let totalBytes = 0;
  for (const name of names) {
    const info = await promisify(lstat)(`${dir}/${name}`).catch(() => {});
    if (info?.isFile()) totalBytes += info.blocks * BLOCK_BYTES;
  }
  return totalBytes;
}
