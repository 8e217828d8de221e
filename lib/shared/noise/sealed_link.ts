// SPDX-License-Identifier: Apache-2.0
/** The link after the handshake. */
import {
  AranyaError,
  asAranyaError,
  type Meter,
  NO_METER,
} from "../base/mod.ts";
import type { Link, LinkEnd } from "../link/mod.ts";
import { openBytes, sealBytes } from "./aead.ts";
import {
  FRAME_TYPES,
  SEALED_HEADER_BYTES,
  SEALED_OVERHEAD_BYTES,
} from "./frames.ts";

const TWO_TO_32 = 0x1_0000_0000;
/** Upper half of the largest counter that a JavaScript number holds exactly. */
const MAX_COUNTER_HIGH = 0x1f_ffff;

/** Options of {@linkcode SealedLink}. */
export interface SealedLinkOptions {
  /** The link that the handshake ran on. */
  inner: Link;
  /** Iterator of `inner.packets`, behind the frames of the handshake. */
  frames: AsyncIterator<Uint8Array>;
  sendKey: Uint8Array;
  receiveKey: Uint8Array;
  meter?: Meter | undefined;
}

/**
 * A link whose packets only the two sides of the handshake can make and read. Each is encrypted
 * with the key of its direction and a counter that rises strictly.
 *
 * A frame with a replayed counter or of an unknown type is dropped. A packet that can't be
 * decrypted ends the link. Empty packets belong to the handshake and are not delivered.
 */
export class SealedLink implements Link {
  readonly peer: string;
  readonly maxPacketBytes: number;
  readonly packets: AsyncIterable<Uint8Array>;
  readonly closed: Promise<LinkEnd>;
  readonly #options: SealedLinkOptions;
  readonly #meter: Meter;
  readonly #failed = Promise.withResolvers<LinkEnd>();
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
    const counter = this.#nextCounter++;
    const frame = sealBytes(this.#options.sendKey, {
      counter,
      data: packet,
      headroomBytes: SEALED_HEADER_BYTES,
    });
    frame[0] = FRAME_TYPES.sealed;
    const view = new DataView(frame.buffer);
    view.setUint32(1, Math.floor(counter / TWO_TO_32));
    view.setUint32(5, counter % TWO_TO_32);
    return this.#options.inner.send(frame);
  }

  close(reason: string): void {
    this.#isClosed = true;
    this.#options.inner.close(reason);
  }

  /**
   * Resolves once the peer has sent a packet, which proves that it has the keys of this handshake.
   * @throws {AranyaError} code "unauthorized" when the packet can't be decrypted; "unavailable"
   * when the link ends
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
    this.close("a packet of the peer can't be decrypted");
  }

  /**
   * Returns the packet in a frame; undefined for a replay and for a type of a later protocol.
   * @throws {AranyaError} code "unauthorized" when it was not sealed for this link
   */
  #open(frame: Uint8Array): Uint8Array | undefined {
    const type = frame[0];
    if (type !== undefined && type !== FRAME_TYPES.sealed) {
      this.#meter.count("aranya_link_dropped_frames_total", {
        labels: { reason: "type" },
      });
      return undefined;
    }
    if (frame.length < SEALED_OVERHEAD_BYTES) {
      throw this.#undecryptable(
        `it has ${frame.length} bytes, expected at least ${SEALED_OVERHEAD_BYTES}`,
      );
    }
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    const high = view.getUint32(1);
    if (high > MAX_COUNTER_HIGH) {
      throw this.#undecryptable("its counter is out of range");
    }
    const counter = high * TWO_TO_32 + view.getUint32(5);
    if (counter <= this.#lastReceived) {
      this.#meter.count("aranya_link_dropped_frames_total", {
        labels: { reason: "replay" },
      });
      return undefined;
    }
    const packet = openBytes(this.#options.receiveKey, {
      counter,
      sealed: frame.subarray(SEALED_HEADER_BYTES),
    });
    if (!packet) throw this.#undecryptable("it was not sealed for this link");
    this.#lastReceived = counter;
    return packet;
  }

  #undecryptable(problem: string): AranyaError {
    return new AranyaError(
      "unauthorized",
      `Cannot decrypt packet from ${this.peer}: ${problem}`,
    );
  }
}
