// SPDX-License-Identifier: Apache-2.0
/** Ids of streams that the peer uses and this side doesn't know. */
import { encodeMessage, UnknownStreamsSchema } from "../wire/mod.ts";

/** Upper bound of ids that wait to be reported. A correct peer names far fewer at a time. */
const MAX_WAITING_COUNT = 256;
/** Upper bound of ids that are remembered as reported. */
const MAX_REPORTED_COUNT = 1024;

/**
 * Collects the ids to report on one link: each once, all that wait in one packet, and a bounded
 * number, because the peer may name any ids without reading what is reported.
 */
export class UnknownStreams {
  readonly #waiting = new Set<number>();
  readonly #reported = new Set<number>();

  /** Adds an id. Returns whether it has to be reported. */
  add(id: number): boolean {
    if (this.#reported.has(id)) return false;
    if (this.#waiting.size >= MAX_WAITING_COUNT) return false;
    this.#waiting.add(id);
    return true;
  }

  /** Returns the payload of an UNKNOWN_STREAMS with all ids that wait; undefined without any. */
  takeReport(): Uint8Array | undefined {
    if (this.#waiting.size === 0) return undefined;
    if (this.#reported.size >= MAX_REPORTED_COUNT) this.#reported.clear();
    const streams = [...this.#waiting];
    for (const id of streams) this.#reported.add(id);
    this.#waiting.clear();
    return encodeMessage(UnknownStreamsSchema, { streams });
  }
}
