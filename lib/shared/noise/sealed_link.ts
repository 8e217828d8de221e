// SPDX-License-Identifier: Apache-2.0
/** The link after the handshake. */
import {
  AranyaError,
  asAranyaError,
  type Meter,
  NO_METER,
} from "../base/mod.ts";
import type { Link, LinkEnd } from "../link/mod.ts";
import { decodeFrame, FRAME_TYPES, writeFrameHeader } from "../wire/mod.ts";
import { openBytes, sealBytes } from "./aead.ts";
import { SEALED_HEADER_BYTES, SEALED_OVERHEAD_BYTES } from "./frames.ts";

const TWO_TO_32 = 0x1_0000_0000;
/** Upper half of the largest counter that a JavaScript number holds exactly. */
const MAX_COUNTER_HIGH = 0x1f_ffff;
/** Length of the counter in front of the ciphertext, in bytes. */
const COUNTER_BYTES = 8;

/** Options of {@linkcode SealedLink}. */
export interface SealedLinkOptions {
  /** The link that the handshake ran on. */
  inner: Link;
  /** Iterator of `inner.packets`, behind the frames of the handshake. */
  frames: AsyncIterator<Uint8Array>;
  linkId: number;
  sendKey: Uint8Array;
  receiveKey: Uint8Array;
  meter?: Meter | undefined;
  /** Called for each Knock; without it a Knock is unexpected. It is not authenticated. */
  onKnock?: (() => void) | undefined;
}

/**
 * A link whose packets only the two sides of the handshake can make and read. Each is encrypted
 * with the key of its direction and a counter that rises by one.
 *
 * A duplicate is dropped, a gap ends the link. A frame that does not belong to the link, or can't
 * be decrypted, ends an exclusive link and is dropped on any other. Empty packets belong to the
 * handshake and are not delivered. A link that has ended this way can send until it is closed.
 */
export class SealedLink implements Link {
  readonly peer: string;
  readonly maxPacketBytes: number;
  /** Only the peer can make packets, whatever the transport is. */
  readonly isExclusive = true;
  readonly packets: AsyncIterable<Uint8Array>;
  readonly closed: Promise<LinkEnd>;
  readonly #options: SealedLinkOptions;
  readonly #meter: Meter;
  readonly #failed = Promise.withResolvers<LinkEnd>();
  /** Whether nothing is read any more. */
  #isClosed = false;
  #nextCounter = 0;
  #lastReceived = -1;
  /** A packet that arrived in `confirm`, for the reader. */
  #held: Uint8Array | undefined;

  constructor(options: SealedLinkOptions) {
    const { inner } = options;
    this.#options = options;
    this.#meter = options.meter ?? NO_METER;
    this.peer = inner.peer;
    this.maxPacketBytes = inner.maxPacketBytes - SEALED_OVERHEAD_BYTES;
    this.closed = Promise.race([this.#failed.promise, inner.closed]);
    this.packets = {
      [Symbol.asyncIterator]: () => ({
        next: () => this.#next(),
        return: () => {
          this.close("the reader stopped reading");
          return Promise.resolve({ done: true, value: undefined });
        },
      }),
    };
  }

  send(packet: Uint8Array): Promise<void> {
    if (packet.length > this.maxPacketBytes) {
      return Promise.reject(
        new AranyaError(
          "too_large",
          `Cannot send packet to ${this.peer}: it has ${packet.length} bytes, expected at most ${this.maxPacketBytes}`,
        ),
      );
    }
    const { inner, linkId, sendKey } = this.#options;
    const counter = this.#nextCounter++;
    const frame = sealBytes(sendKey, {
      counter,
      data: packet,
      headroomBytes: SEALED_HEADER_BYTES,
    });
    writeFrameHeader(frame, { type: FRAME_TYPES.sealed, linkId });
    const view = new DataView(frame.buffer);
    view.setUint32(
      SEALED_HEADER_BYTES - COUNTER_BYTES,
      Math.floor(counter / TWO_TO_32),
    );
    view.setUint32(SEALED_HEADER_BYTES - 4, counter % TWO_TO_32);
    return inner.send(frame);
  }

  close(reason: string): void {
    this.#isClosed = true;
    this.#options.inner.close(reason);
  }

  markAuthenticated(): void {
    this.#options.inner.markAuthenticated();
  }

  /**
   * Resolves once the peer has sent a packet, which proves that it has the keys of this handshake.
   * @throws {AranyaError} code "unauthorized" or "invalid" for a frame that doesn't fit, on an
   * exclusive link; "unavailable" when the link ends
   */
  async confirm(): Promise<void> {
    for (;;) {
      const { done, value } = await this.#options.frames.next();
      if (done) {
        throw new AranyaError(
          "unavailable",
          `Cannot finish handshake with ${this.peer}: the link ended`,
        );
      }
      const packet = this.#open(value);
      if (!packet) continue;
      if (packet.length > 0) this.#held = packet;
      return;
    }
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    for (;;) {
      if (this.#isClosed) return { done: true, value: undefined };
      if (this.#held) {
        const value = this.#held;
        this.#held = undefined;
        return { done: false, value };
      }
      const { done, value } = await this.#options.frames.next();
      if (done) return { done: true, value: undefined };
      try {
        const packet = this.#open(value);
        if (packet && packet.length > 0) return { done: false, value: packet };
      } catch (error) {
        this.#fail(asAranyaError(error, `Cannot read from ${this.peer}`));
      }
    }
  }

  #fail(error: AranyaError): void {
    this.#meter.count("aranya_link_unopened_packets_total");
    this.#failed.resolve({ reason: error.message, error });
    // The owner closes the link; before that it can still notify the peer.
    this.#isClosed = true;
  }

  /**
   * Returns the packet in a frame; undefined for a frame that is dropped.
   * @throws {AranyaError} when the link has to end
   */
  #open(bytes: Uint8Array): Uint8Array | undefined {
    let sealed: SealedFrame | undefined;
    try {
      sealed = this.#parse(bytes);
    } catch (error) {
      return this.#drop("unknown", error);
    }
    if (!sealed) return undefined;
    const { counter } = sealed;
    if (counter <= this.#lastReceived) return this.#drop("duplicate");
    const packet = openBytes(this.#options.receiveKey, sealed);
    if (!packet) {
      return this.#drop(
        "sealed",
        this.#unusable("unauthorized", "it was not sealed for this link"),
      );
    }
    const missingCount = counter - this.#lastReceived - 1;
    if (missingCount > 0) {
      throw this.#unusable(
        "unavailable",
        `${missingCount} ${
          missingCount === 1 ? "packet is" : "packets are"
        } missing before it`,
      );
    }
    this.#lastReceived = counter;
    return packet;
  }

  /**
   * Returns counter and ciphertext of a frame; undefined for a Knock, which is reported.
   * @throws {AranyaError} for every other frame
   */
  #parse(bytes: Uint8Array): SealedFrame | undefined {
    const { linkId, onKnock } = this.#options;
    const frame = decodeFrame(bytes);
    if (frame.type === FRAME_TYPES.knock && onKnock) {
      onKnock();
      return undefined;
    }
    if (frame.type !== FRAME_TYPES.sealed) {
      throw this.#unusable("invalid", `it is of type ${frame.type}`);
    }
    if (frame.linkId !== linkId) {
      throw this.#unusable("unauthorized", "it is of another link");
    }
    if (bytes.length < SEALED_OVERHEAD_BYTES) {
      throw this.#unusable(
        "unauthorized",
        `it has ${bytes.length} bytes, expected at least ${SEALED_OVERHEAD_BYTES}`,
      );
    }
    const { body } = frame;
    const view = new DataView(body.buffer, body.byteOffset, COUNTER_BYTES);
    const high = view.getUint32(0);
    if (high > MAX_COUNTER_HIGH) {
      throw this.#unusable("unauthorized", "its counter is out of range");
    }
    return {
      counter: high * TWO_TO_32 + view.getUint32(4),
      sealed: body.subarray(COUNTER_BYTES),
    };
  }

  /** Counts a frame that is dropped. @throws the error, when only the peer can have sent it */
  #drop(
    reason: "unknown" | "sealed" | "duplicate",
    error?: unknown,
  ): undefined {
    if (error !== undefined && this.#options.inner.isExclusive) throw error;
    this.#meter.count("aranya_link_dropped_frames_total", {
      labels: { reason },
    });
    return undefined;
  }

  #unusable(
    code: "unauthorized" | "invalid" | "unavailable",
    problem: string,
  ): AranyaError {
    return new AranyaError(
      code,
      `Cannot use packet from ${this.peer}: ${problem}`,
    );
  }
}

interface SealedFrame {
  counter: number;
  /** Ciphertext and tag. */
  sealed: Uint8Array;
}
