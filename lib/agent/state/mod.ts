// SPDX-License-Identifier: Apache-2.0
/**
 * What the device keeps on disk: records by kind and key (pods, settings, blobs by hash), in one directory that one agent holds at a time.
 * Bytes come in, the same bytes come out, also after a power cut; what is torn is set aside and reported. This room never looks inside a record
 * and never writes what is there already.
 *
 * @module
 */
export * from "./blobs.ts";
export * from "./disk.ts";
export * from "./lock.ts";
export * from "./seal.ts";
export * from "./store.ts";
