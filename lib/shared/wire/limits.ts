// SPDX-License-Identifier: Apache-2.0
/** Limits on what a peer may send (proto/aranya.proto, "Limits"); both ends use the same. */
import { MEBIBYTE } from "../base/mod.ts";

/** Upper bound of a value, in bytes, by the side that receives it. */
export const MAX_VALUE_BYTES = {
  /** Small enough that one device can't exhaust the operator. */
  operator: 2 * MEBIBYTE,
  agent: 16 * MEBIBYTE,
} as const;

/** Upper bound of the streams that one side has open, by the side that accepts them. */
export const MAX_STREAM_COUNT = { operator: 64, agent: 1024 } as const;

/**
 * Two bounds of one peer, each as a multiple of its largest value: for values that are incomplete,
 * and for requests that are being handled together with responses that it has not acknowledged.
 */
export const MAX_PENDING_VALUES = 4;

/** Upper bound of the channels of one stream: each may hold a window of bytes. */
export const MAX_CHANNEL_COUNT = 16;

/** Upper bound of the fields of a message. */
export const MAX_FIELD_COUNT = 65_536;

/** As {@linkcode MAX_FIELD_COUNT}, for a pod that is sent to a device. */
export const MAX_POD_FIELD_COUNT = 1_048_576;

/** Upper bound of the hashes in one FetchBlobs. */
export const MAX_FETCHED_HASHES = 64;

/** Upper bound of the contents in one Blobs, in bytes, unless a single one is larger. */
export const MAX_FETCHED_BYTES = 2 * MEBIBYTE;

/** Upper bound of an EventList, in bytes. */
export const MAX_EVENT_LIST_BYTES = MEBIBYTE / 2;

/** Upper bound of the pods in one REPORT_PODS; a device reports more in several. */
export const MAX_REPORTED_PODS = 1024;
