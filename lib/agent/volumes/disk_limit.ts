// SPDX-License-Identifier: Apache-2.0
/** Size limits of emptyDirs on disk, which are enforced by measuring them periodically. */
import type { PodSpec } from "../../shared/wire/mod.ts";
import { ignoreNotFound } from "./not_found.ts";

/** Pause between two measurements; that of a kubelet's eviction manager. */
export const DISK_USAGE_INTERVAL_MS = 10_000;

/** Unit of `st_blocks` in stat(2), whatever the file system. */
const BLOCK_BYTES = 512;
/** Binary suffixes of Kubernetes quantities, largest first. */
const QUANTITY_UNITS: readonly { suffix: string; bytes: bigint }[] = [
  { suffix: "Gi", bytes: 1n << 30n },
  { suffix: "Mi", bytes: 1n << 20n },
  { suffix: "Ki", bytes: 1n << 10n },
];

/** What files and directories take on a disk. */
export interface DirectoryUsage {
  usedBytes: number;
  inodeCount: number;
}

/** A volume with a size limit. */
export interface LimitedVolume {
  name: string;
  limitBytes: bigint;
}

/**
 * Returns the pod's emptyDirs on disk that have a sizeLimit. The kernel enforces that of emptyDirs
 * in memory.
 */
export function listLimitedVolumes(spec: PodSpec): LimitedVolume[] {
  return spec.volumes.flatMap(({ name, source }) =>
    source.case === "emptyDir" && !source.value.memory &&
      source.value.sizeLimitBytes > 0n
      ? [{ name, limitBytes: source.value.sizeLimitBytes }]
      : []
  );
}

/** Returns why the pod is evicted, in the words of a kubelet. */
export function toSizeLimitMessage(
  { name, limitBytes }: LimitedVolume,
): string {
  const limit = formatBytes(limitBytes);
  return `Usage of EmptyDir volume "${name}" exceeds the limit "${limit}".`;
}

/** Formats bytes as a Kubernetes quantity, e.g. "100Mi"; without a unit when none divides them. */
export function formatBytes(value: bigint): string {
  const unit = QUANTITY_UNITS.find(({ bytes }) =>
    value !== 0n && value % bytes === 0n
  );
  return unit ? `${value / unit.bytes}${unit.suffix}` : String(value);
}

/**
 * Returns what everything in a directory takes on disk. Files that disappear meanwhile don't count,
 * and symbolic links are not followed.
 */
export async function measureDiskUsage(
  path: string,
  signal: AbortSignal,
): Promise<DirectoryUsage> {
  let usedBytes = 0;
  let inodeCount = 0;
  const pending = [path];
  for (let dir; (dir = pending.pop()) !== undefined;) {
    signal.throwIfAborted();
    const entries = await ignoreNotFound(Array.fromAsync(Deno.readDir(dir)));
    for (const { name, isDirectory } of entries ?? []) {
      const entryPath = `${dir}/${name}`;
      const info = await ignoreNotFound(Deno.lstat(entryPath));
      if (info) inodeCount++;
      usedBytes += (info?.blocks ?? 0) * BLOCK_BYTES;
      if (isDirectory) pending.push(entryPath);
    }
  }
  return { usedBytes, inodeCount };
}
