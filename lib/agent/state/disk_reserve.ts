// SPDX-License-Identifier: Apache-2.0
/** Space on the disk that is kept for records which must be written when the disk is full. */

const RESERVE_BYTES = 512 * 1024;
/** Limit of `crypto.getRandomValues`. */
const BLOCK_BYTES = 64 * 1024;

/** A file of no use but its size, which is removed when its space is needed. */
export class DiskReserve {
  readonly #path: string;

  /** Creates nothing before {@linkcode fill}. */
  constructor({ path }: { path: string }) {
    this.#path = path;
  }

  /**
   * Creates the file unless it is there. Returns whether it is; there is none after a failure, e.g.
   * because the disk is full.
   */
  async fill(): Promise<boolean> {
    try {
      using file = await Deno.open(this.#path, {
        write: true,
        create: true,
        mode: 0o600,
      });
      const { size } = await file.stat();
      if (size === RESERVE_BYTES) return true;
      await file.truncate();
      for (let size = 0; size < RESERVE_BYTES; size += BLOCK_BYTES) {
        // Random, since some file systems compress.
        await writeAll(
          file,
          crypto.getRandomValues(new Uint8Array(BLOCK_BYTES)),
        );
      }
      await file.sync();
      return true;
    } catch {
      await this.release();
      return false;
    }
  }

  /** Removes the file. Returns whether there was one. */
  async release(): Promise<boolean> {
    try {
      await Deno.remove(this.#path);
      return true;
    } catch {
      return false;
    }
  }
}

async function writeAll(file: Deno.FsFile, content: Uint8Array): Promise<void> {
  for (let written = 0; written < content.length;) {
    written += await file.write(content.subarray(written));
  }
}
