// SPDX-License-Identifier: Apache-2.0
/** Lists of Events that the operator accepts. */
import { concatBytes } from "../../shared/base/mod.ts";
import {
  encodeMessage,
  EventListSchema,
  MAX_EVENT_LIST_BYTES,
} from "../../shared/wire/mod.ts";
import type { PodEvent } from "../pods/mod.ts";

/** An Event and when it happened. */
export interface TimedEvent extends PodEvent {
  timeUnixMs: bigint;
}

/**
 * Encodes an EventList of the first Events, as many as the operator accepts in one request, and at
 * least one.
 */
export function encodeFirstEvents(
  events: readonly TimedEvent[],
): { payload: Uint8Array; count: number } {
  // A list in protobuf is the concatenation of lists with one element each.
  const parts: Uint8Array[] = [];
  let byteCount = 0;
  for (const event of events) {
    const part = encodeMessage(EventListSchema, { events: [event] });
    byteCount += part.length;
    if (parts.length > 0 && byteCount > MAX_EVENT_LIST_BYTES) break;
    parts.push(part);
  }
  return { payload: concatBytes(parts), count: parts.length };
}
