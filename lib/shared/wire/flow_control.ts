// SPDX-License-Identifier: Apache-2.0
/** Constants of flow control; both ends must use the same (proto/aranya.proto, "Flow control"). */

/** Initial credit of a stream and of each of its channels, in bytes. */
export const INITIAL_CREDIT_BYTES = 262_144;

/** Cost of a DATA envelope beyond its payload, in bytes: many small chunks need memory as well. */
const DATA_OVERHEAD_BYTES = 64;

/** Length of the channel number at the start of the payload of DATA, in bytes. */
const CHANNEL_BYTES = 1;

/** Returns what a chunk of this length costs of its channel's credit, in bytes. */
export function toDataCost(chunkBytes: number): number {
  return DATA_OVERHEAD_BYTES + CHANNEL_BYTES + chunkBytes;
}
