// SPDX-License-Identifier: Apache-2.0
/** Decides when the packets received on a link are acknowledged. */
import { AcksSchema, encodeMessage } from "../wire/mod.ts";
import type { StreamPointFields } from "./stream_state.ts";

/** Longest delay of an acknowledgement, in milliseconds. */
const ACK_DELAY_MS = 20;
/** As many bytes as the link delivers in this time are acknowledged at once. */
const THRESHOLD_MS = 5;
const MIN_THRESHOLD_BYTES = 2 * 1024;
const MAX_THRESHOLD_BYTES = 128 * 1024;
/** Upper estimate of the encoded size of one StreamPoint, in bytes. */
const POINT_BYTES = 64;
const MAX_POINTS = 256;

/** A stream, as far as its acknowledgements go. */
export interface AckSource {
  /** Returns the stream's progress, and regards it as reported to the peer. */
  takeAckPoint(): StreamPointFields;
}

/** Options of {@linkcode AckScheduler}. */
export interface AckSchedulerOptions {
  nowMs: number;
  maxPacketBytes: number;
}

/**
 * Collects what has to be acknowledged on one link, and schedules the acknowledgement: after a
 * short delay, or at once when many bytes have arrived, so that acknowledgements cost little on any
 * link.
 */
export class AckScheduler {
  /** Streams whose progress the peer doesn't know yet. */
  readonly #changed = new Set<AckSource>();
  readonly #maxPoints: number;
  /** All bytes received on this link; wire field Acks.link_bytes. */
  #linkBytes = 0;
  #unackedBytes = 0;
  /** Acknowledge at once when this many bytes have arrived. Follows the rate of the link. */
  #thresholdBytes = MIN_THRESHOLD_BYTES;
  #lastAckMs: number;
  #dueMs = Infinity;

  constructor({ nowMs, maxPacketBytes }: AckSchedulerOptions) {
    this.#lastAckMs = nowMs;
    this.#maxPoints = Math.max(
      1,
      Math.min(MAX_POINTS, Math.floor(maxPacketBytes / POINT_BYTES) - 1),
    );
  }

  /** Monotonic time of the next acknowledgement; Infinity if there is nothing to acknowledge. */
  get dueMs(): number {
    return this.#dueMs;
  }

  /** Counts a packet that carries bytes of streams. */
  onPacketReceived(packetBytes: number, nowMs: number): void {
    this.#linkBytes += packetBytes;
    this.#unackedBytes += packetBytes;
    const isMuch = this.#unackedBytes >= this.#thresholdBytes;
    this.#schedule(isMuch ? nowMs : nowMs + ACK_DELAY_MS);
  }

  /** Includes this stream in the next acknowledgement, without scheduling one. */
  addStream(stream: AckSource): void {
    this.#changed.add(stream);
  }

  /** Schedules an immediate acknowledgement: the peer may be waiting for the credit. */
  onCreditRisen(stream: AckSource, nowMs: number): void {
    this.#changed.add(stream);
    this.#schedule(nowMs);
  }

  #schedule(dueMs: number): void {
    this.#dueMs = Math.min(this.#dueMs, dueMs);
  }

  /** Returns the payload of the next ACK if it is due, and schedules the rest. */
  takeDueAck(nowMs: number): Uint8Array | undefined {
    if (this.#dueMs > nowMs) return undefined;
    const points: StreamPointFields[] = [];
    for (const stream of this.#changed) {
      if (points.length === this.#maxPoints) break;
      points.push(stream.takeAckPoint());
      this.#changed.delete(stream);
    }
    this.#dueMs = this.#changed.size > 0 ? nowMs : Infinity;
    const elapsedMs = Math.max(0.1, nowMs - this.#lastAckMs);
    this.#thresholdBytes = Math.min(
      MAX_THRESHOLD_BYTES,
      Math.max(
        MIN_THRESHOLD_BYTES,
        this.#unackedBytes / elapsedMs * THRESHOLD_MS,
      ),
    );
    this.#unackedBytes = 0;
    this.#lastAckMs = nowMs;
    return encodeMessage(AcksSchema, {
      points,
      linkBytes: BigInt(this.#linkBytes),
    });
  }
}
