// SPDX-License-Identifier: Apache-2.0
/**
 * Pods' volumes on the device's disk and in its memory: emptyDirs with their limits, hostPaths, files with an atomic swap. A pod's spec and a
 * function for content come in, paths to bind come out. This room never knows containers, and never decides when a volume is made.
 *
 * @module
 */
export { DISK_LOOK_MS, limitedVolumes } from "./disk_limit.ts";
export * from "./volumes.ts";
