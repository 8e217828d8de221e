// SPDX-License-Identifier: Apache-2.0
/** Lists of Events that the operator accepts. */
import {
  encodeMessage,
  EventListSchema,
  MAX_EVENT_LIST_BYTES,
} from "../../shared/wire/mod.ts";
import type { PodEvent } from "../pods/mod.ts";
import { encodeFirst } from "./first_elements.ts";

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
  return encodeFirst(events, {
    maxBytes: MAX_EVENT_LIST_BYTES,
    encodeOne: (event) => encodeMessage(EventListSchema, { events: [event] }),
  });
}
