// SPDX-License-Identifier: Apache-2.0
/**
 * Folders of test worlds, and removal of what killed processes left: mounts, control groups, files.
 */
import { join } from "../base/paths.ts";
import { run, tryRun } from "../base/run.ts";

/** On a disk, not a tmpfs: the folders hold Docker's layers. */
const PARENT = "/var/tmp";
const PREFIX = "aranya-";
/** File in a folder that is kept for a person who looks for the cause of a failure. */
const KEEP_MARK = "keep";
/** How long such a folder is kept. */
const KEEP_MS = 3 * 24 * 60 * 60 * 1000;

/** Makes a folder `aranya-<process>-<random>` for a world, and clears leftovers first. */
export async function makeWorldFolder(): Promise<string> {
  await clearLeftovers();
  const folder = join(
    PARENT,
    `${PREFIX}${Deno.pid}-${crypto.randomUUID().slice(0, 8)}`,
  );
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(join(folder, "owner"), await startOf(Deno.pid));
  return folder;
}

/**
 * Unmounts everything in a world's folder, but keeps the files; removed by {@linkcode
 * clearLeftovers} after three days.
 */
export async function keepWorldFolder(folder: string): Promise<void> {
  await unmountUnder(folder);
  await removeCgroups(`/${folder.split("/").at(-1)}`);
  await Deno.writeTextFile(join(folder, KEEP_MARK), "");
}

/** Unmounts everything in a world's folder, then removes it and its control groups. */
export async function removeWorldFolder(folder: string): Promise<void> {
  await unmountUnder(folder);
  await removeCgroups(`/${folder.split("/").at(-1)}`);
  await Deno.remove(folder, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

/** Removes what {@linkcode leftovers} returns. Returns how many folders were removed. */
export async function clearLeftovers(): Promise<number> {
  let count = 0;
  for (const folder of await leftovers()) {
    try {
      await removeWorldFolder(folder);
      count++;
    } catch (error) {
      // Another user's, or another process removes it at this moment.
      if (
        !(error instanceof Deno.errors.PermissionDenied) &&
        !(error instanceof Deno.errors.NotFound)
      ) throw error;
    }
  }
  return count;
}

/** Returns the folders of worlds whose process has ended, without those that are kept. */
export async function leftovers(
  options: { nowMs?: number } = {},
): Promise<string[]> {
  const { nowMs = Date.now() } = options;
  const found: string[] = [];
  for await (const entry of Deno.readDir(PARENT)) {
    const maker = entry.name.match(/^aranya-(\d+)-[0-9a-f]{8}$/)?.[1];
    if (!maker || !entry.isDirectory) continue;
    const folder = join(PARENT, entry.name);
    const owner = await Deno.readTextFile(join(folder, "owner"))
      .catch(() => undefined);
    const now = await startOf(Number(maker));
    // Without the owner's file the folder is being made or removed by a process that runs.
    const hasEnded = now === "" || (owner !== undefined && owner !== now);
    if (hasEnded && !await isKept(folder, nowMs)) found.push(folder);
  }
  return found;
}

async function isKept(folder: string, nowMs: number): Promise<boolean> {
  const mark = await Deno.stat(join(folder, KEEP_MARK)).catch(() => undefined);
  return mark?.mtime ? nowMs - mark.mtime.getTime() < KEEP_MS : false;
}

/** Removes a control group and those below it in every hierarchy. No process may be in them. */
export async function removeCgroups(group: string): Promise<void> {
  if (!group.startsWith(`/${PREFIX}`)) return;
  const roots = ["/sys/fs/cgroup"];
  for await (const entry of readFolder("/sys/fs/cgroup")) {
    if (entry.isDirectory) roots.push(join("/sys/fs/cgroup", entry.name));
  }
  for (const root of roots) await removeGroup(join(root, group));
}

async function removeGroup(path: string): Promise<void> {
  for await (const entry of readFolder(path)) {
    if (entry.isDirectory) await removeGroup(join(path, entry.name));
  }
  await Deno.remove(path).catch(() => {});
}

/**
 * Unmounts everything on a folder or below it; another process may do so at the same time.
 * @throws {AranyaError} when something stays mounted
 */
export async function unmountUnder(folder: string): Promise<void> {
  for (const path of (await mountsUnder(folder)).reverse()) {
    await tryRun("umount", { args: ["-l", path] });
  }
  const [left] = await mountsUnder(folder);
  if (left !== undefined) await run("umount", { args: ["-l", left] });
}

async function mountsUnder(folder: string): Promise<string[]> {
  return (await Deno.readTextFile("/proc/self/mounts"))
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((path) => path === folder || path.startsWith(folder + "/"));
}

async function* readFolder(path: string): AsyncGenerator<Deno.DirEntry> {
  try {
    yield* Deno.readDir(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * Returns when a process was started, in clock ticks since boot, or "" when there is none.
 * Process ids are used again; id and start time together are unique.
 */
async function startOf(pid: number): Promise<string> {
  const text = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => "");
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}
