// SPDX-License-Identifier: Apache-2.0
/** How much an emptyDir on disk holds, for its sizeLimit: looked at now and then, as a kubelet's eviction manager does. */
import type { PodSpec } from "../../shared/wire/mod.ts";

/** Pause between two looks, as long as a kubelet's. */
export const DISK_LOOK_MS = 10_000;

const BLOCK_BYTES = 512;
const UNITS: [string, bigint][] = [
  ["Gi", 1n << 30n],
  ["Mi", 1n << 20n],
  ["Ki", 1n << 10n],
];

/** A volume that may not grow without end. */
export interface LimitedVolume {
  name: string;
  limitBytes: bigint;
}

/** The pod's emptyDirs on disk that have a limit; those in memory are held to theirs by the kernel. */
export function limitedVolumes(spec: PodSpec): LimitedVolume[] {
  return spec.volumes.flatMap(({ name, source }) =>
    source.case === "emptyDir" && !source.value.memory &&
      source.value.sizeLimitBytes > 0n
      ? [{ name, limitBytes: source.value.sizeLimitBytes }]
      : []
  );
}

/** Why the pod is evicted, in a kubelet's words. */
export function evictionMessage({ name, limitBytes }: LimitedVolume): string {
  const unit = UNITS.find(([_name, size]) => limitBytes % size === 0n);
  const limit = unit ? `${limitBytes / unit[1]}${unit[0]}` : `${limitBytes}`;
  return `Usage of EmptyDir volume "${name}" exceeds the limit "${limit}".`;
}

/** Bytes of disk that a folder takes with all in it; files that go meanwhile count nothing, links are not followed. */
export async function diskUsage(
  path: string,
  signal: AbortSignal,
): Promise<number> {
  let bytes = 0;
  const folders = [path];
  for (let folder; (folder = folders.pop()) !== undefined;) {
    signal.throwIfAborted();
    const entries = await ignoreAbsent(Array.fromAsync(Deno.readDir(folder)));
    for (const { name, isDirectory } of entries ?? []) {
      const inside = `${folder}/${name}`;
      const info = await ignoreAbsent(Deno.lstat(inside));
      bytes += (info?.blocks ?? 0) * BLOCK_BYTES;
      if (isDirectory) folders.push(inside);
    }
  }
  return bytes;
}

async function ignoreAbsent<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
