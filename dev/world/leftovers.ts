// SPDX-License-Identifier: Apache-2.0
/** The folders of test worlds, and what is left of those whose maker was killed: mounts, control groups, files. */
import { join } from "../base/paths.ts";
import { run } from "../base/run.ts";

/** Worlds' folders lie on a disk, not in memory: Docker's layers are in them. */
const PARENT = "/var/tmp";
const PREFIX = "aranya-";

/** Makes a folder `aranya-<process>-<random>` for a world, after clearing what dead ones left. */
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

/** Unmounts what is mounted in a world's folder, then removes it and its control groups. */
export async function removeWorldFolder(folder: string): Promise<void> {
  await unmountUnder(folder);
  await removeCgroups(`/${folder.split("/").at(-1)}`);
  await Deno.remove(folder, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

/** Removes worlds whose maker is gone. Says how many. */
export async function clearLeftovers(): Promise<number> {
  let count = 0;
  for (const folder of await leftovers()) {
    try {
      await removeWorldFolder(folder);
      count++;
    } catch (error) {
      // Another user's, or being removed by somebody else at this moment.
      if (
        !(error instanceof Deno.errors.PermissionDenied) &&
        !(error instanceof Deno.errors.NotFound)
      ) throw error;
    }
  }
  return count;
}

/** Folders of worlds whose maker is gone and did not ask to keep them. */
export async function leftovers(): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(PARENT)) {
    const maker = entry.name.match(/^aranya-(\d+)-[0-9a-f]{8}$/)?.[1];
    if (!maker || !entry.isDirectory) continue;
    const folder = join(PARENT, entry.name);
    const owner = await Deno.readTextFile(join(folder, "owner"))
      .catch(() => undefined);
    // Without the file the folder is being made or removed: its process decides.
    const now = await startOf(Number(maker));
    if (now === "" || (owner !== undefined && owner !== now)) {
      found.push(folder);
    }
  }
  return found;
}

/** Removes a control group and those below it in every hierarchy; they must be empty of processes. */
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

/** Unmounts what is mounted on a folder or below it. */
export async function unmountUnder(folder: string): Promise<void> {
  const mounts = (await Deno.readTextFile("/proc/self/mounts"))
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((path) => path === folder || path.startsWith(folder + "/"));
  for (const path of mounts.reverse()) {
    await run("umount", { args: ["-l", path] });
  }
}

async function* readFolder(path: string): AsyncGenerator<Deno.DirEntry> {
  try {
    yield* Deno.readDir(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** When a process was started, in clock ticks since boot, or "" when there is none: ids are used again. */
async function startOf(pid: number): Promise<string> {
  const text = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => "");
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}
