// SPDX-License-Identifier: Apache-2.0
/**
 * The cache of programs: one folder per name and version, filled once even when several processes
 * need it.
 */
import { withProgress } from "../base/terminal.ts";
import { join } from "../base/paths.ts";

/** Returns `ARANYA_CACHE`, else `aranya` in the user's cache folder. */
export function cacheRoot(): string {
  const named = Deno.env.get("ARANYA_CACHE");
  if (named) return named;
  const home = Deno.env.get("HOME") ?? "/root";
  return join(Deno.env.get("XDG_CACHE_HOME") || join(home, ".cache"), "aranya");
}

/** Returns whether the cache's folder of this name holds all these files. */
export async function isCached(
  name: string,
  files: string[],
): Promise<boolean> {
  return await holdsAll(join(cacheRoot(), name), files);
}

/**
 * Returns the path of the cache's folder `name`. Unless it holds all `files`, `make` fills an empty
 * folder beside it, which is renamed to `name` when `make` succeeds. Callers in other processes
 * wait for the first one; folders that killed processes left half-filled are removed.
 */
export async function ensureCached(
  name: string,
  files: string[],
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const root = cacheRoot();
  const folder = join(root, name);
  if (await holdsAll(folder, files)) return folder;
  await Deno.mkdir(root, { recursive: true });
  using lock = await Deno.open(join(root, `.${name}.lock`), {
    create: true,
    write: true,
  });
  await withProgress(
    `waiting for another process that makes ${name}`,
    () => lock.lock(true),
  );
  if (await holdsAll(folder, files)) return folder;
  await removeHalfFilled(root, name);
  const aside = await Deno.makeTempDir({ dir: root, prefix: `.${name}.` });
  try {
    await make(aside);
    await Deno.chmod(aside, 0o755);
    await Deno.remove(folder, { recursive: true }).catch(() => {});
    await Deno.rename(aside, folder);
    return folder;
  } finally {
    await Deno.remove(aside, { recursive: true }).catch(() => {});
  }
}

/** Removes folders of earlier calls for this name. The caller holds the lock, so none is in use. */
async function removeHalfFilled(root: string, name: string): Promise<void> {
  for await (const entry of Deno.readDir(root)) {
    if (entry.isDirectory && entry.name.startsWith(`.${name}.`)) {
      await Deno.remove(join(root, entry.name), { recursive: true });
    }
  }
}

async function holdsAll(folder: string, files: string[]): Promise<boolean> {
  for (const file of files) {
    if (!await Deno.stat(join(folder, file)).catch(() => undefined)) {
      return false;
    }
  }
  return true;
}
