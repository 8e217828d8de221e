// SPDX-License-Identifier: Apache-2.0
/** Folders for one test. */

/** Runs `work` with a new folder, and removes it afterwards. */
export async function withFolder(
  work: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
