// SPDX-License-Identifier: Apache-2.0
/**
 * The volumes of pods on the device's disk and in its memory: emptyDirs with their limits,
 * hostPaths, and files that are swapped atomically. Pod specs and file contents come in, paths to
 * bind into containers go out. This room never starts a container, and never decides when a volume
 * is set up.
 *
 * @example
 * ```ts
 * const volumes = createVolumes({ root, mounts, loadBlobs });
 * await volumes.prepare(spec, signal);
 * const binds = await volumes.resolveBinds(spec, container);
 * ```
 *
 * @module
 */
export {
  type DirectoryUsage,
  DISK_USAGE_INTERVAL_MS,
  formatBytes,
  listLimitedVolumes,
} from "./disk_limit.ts";
export type { Mounts } from "./mounts.ts";
export {
  createVolumes,
  type MessageFile,
  type VolumeBlobsRequest,
  type Volumes,
  type VolumesOptions,
} from "./volumes.ts";
