// SPDX-License-Identifier: Apache-2.0
/** Our cache of programs: a folder per version, made once however many start at the same time. */
import { withProgress } from "../base/say.ts";
import { join } from "../base/paths.ts";

/** `ARANYA_CACHE`, else `aranya` under the user's cache folder. */
export function cacheRoot(): string {
  const named = Deno.env.get("ARANYA_CACHE");
  if (named) return named;
  const home = Deno.env.get("HOME") ?? "/root";
  return join(Deno.env.get("XDG_CACHE_HOME") || join(home, ".cache"), "aranya");
}

/** Whether the folder of this name holds all these files already. */
export async function isCached(
  name: string,
  files: string[],
): Promise<boolean> {
  return await holdsAll(join(cacheRoot(), name), files);
}

/**
 * The path of the cache's folder `name`, filled by `make` when it is not there: `make` gets an empty folder beside it, which takes the name
 * only when it is complete. A second caller, in whatever process, waits for the first one's end.
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
    `waiting for another start that makes ${name}`,
    () => lock.lock(true),
  );
  if (await holdsAll(folder, files)) return folder;
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

async function holdsAll(folder: string, files: string[]): Promise<boolean> {
  for (const file of files) {
    if (!await Deno.stat(join(folder, file)).catch(() => undefined)) {
      return false;
    }
  }
  return true;
}
