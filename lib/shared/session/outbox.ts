// SPDX-License-Identifier: Apache-2.0
/** The sending half of one stream. */
import { AranyaError } from "../base/mod.ts";
import {
  encodeEnvelope,
  EnvelopeKind,
  INITIAL_CREDIT_BYTES,
  MAX_CHANNEL_COUNT,
  MAX_ENVELOPE_HEADER_BYTES,
  toDataCost,
} from "../wire/mod.ts";
import { RetransmitQueue } from "./retransmit_queue.ts";

/**
 * A channel with less credit than this waits for more before the next piece of a large chunk is
 * sent, so that packets don't become tiny. In bytes.
 */
const MIN_PIECE_BYTES = 4 * 1024;
/** Chunks up to this length are never split, whatever the size of a packet. */
const MAX_WHOLE_BYTES = 256;
/** A request has high priority up to this sequence position; the rest of a larger one has not. */
const HIGH_PRIORITY_BYTES = 64 * 1024;
/**
 * Upper bound of what one stream keeps unacknowledged, whatever credit the peer grants: a little
 * more than the window that a peer of this version grants.
 */
const MAX_HELD_BYTES = 4 * 1024 * 1024 + 128 * 1024;
const EMPTY = new Uint8Array(0);

/** Which queue of the sender a stream belongs to. */
export type StreamPriority = "high" | "normal";

/** Credit of one channel: the total cost of DATA that may be sent on it. */
export interface ChannelGrant {
  channel: number;
  credit: number;
}

/** What the peer has received of this direction, and how much more it accepts. */
export interface PeerProgress {
  /** Sequence position up to which the peer has everything. */
  received: number;
  /** Sequence position up to which this side may send. */
  credit: number;
  channels: readonly ChannelGrant[];
}

/** A value that may take several envelopes: OPEN, RESULT or RESET. */
interface OutgoingValue {
  kind: EnvelopeKind;
  /** Called when the first packet is made. */
  encode: () => Uint8Array;
  /** How much of it is in packets, in bytes. */
  offset: number;
}

interface OutgoingChunk {
  bytes: Uint8Array;
  /** How much of it is in packets, in bytes. */
  offset: number;
  resolve: () => void;
  reject: (error: unknown) => void;
}

interface OutgoingChannel {
  number: number;
  chunks: OutgoingChunk[];
  /** Cost of all DATA sent; never above `credit`. */
  sentCost: number;
  credit: number;
  end: "open" | "requested" | "sent";
}

/** Where the next packet goes, and its room for payload. */
interface CutOptions {
  stream: number;
  payloadBytes: number;
}

/**
 * What one stream sends: makes packets when the link has room, and keeps them until they are
 * acknowledged. Bytes are copied once, into their packet; a repeated packet is sent unchanged.
 *
 * The order in the sequence space is OPEN, then DATA and END of the channels by round robin, then
 * RESULT. A RESET goes before everything that isn't in packets yet.
 */
export class Outbox {
  /** Sequence position below which packets have high priority. */
  #highPriorityEnd: number;
  readonly #sent = new RetransmitQueue();
  /** Sequence position of the next new envelope. */
  #nextSequence = 0;
  #acked = 0;
  #credit = INITIAL_CREDIT_BYTES;
  #open: OutgoingValue | undefined;
  /** RESULT or RESET. */
  #final: OutgoingValue | undefined;
  #isFinalSent = false;
  readonly #channels: OutgoingChannel[] = [];
  /** Rises with every turn of a channel. */
  #turn = 0;

  constructor({ priority }: { priority: StreamPriority }) {
    // Every OPEN starts with high priority: position 0 is below 1.
    this.#highPriorityEnd = priority === "high" ? HIGH_PRIORITY_BYTES : 1;
  }

  /** Lowers the priority to normal: the stream uses channels, so it takes turns with others. */
  demote(): void {
    this.#highPriorityEnd = 1;
  }

  /** Whether a packet was ever made: the peer may know the stream. */
  get hasSent(): boolean {
    return this.#nextSequence > 0;
  }

  /** Whether the peer has acknowledged anything. */
  get hasAck(): boolean {
    return this.#acked > 0;
  }

  /** Whether RESULT or RESET is completely in packets. */
  get isFinalSent(): boolean {
    return this.#isFinalSent;
  }

  /** Whether the peer has acknowledged everything, including RESULT or RESET. */
  get isDelivered(): boolean {
    return this.#isFinalSent && this.#sent.isEmpty;
  }

  /** Length of the RESULT while it is kept: until all of it is in packets; 0 without one. */
  get resultBytes(): number {
    const final = this.#final;
    return final?.kind === EnvelopeKind.RESULT ? final.encode().length : 0;
  }

  /** Sent and not acknowledged, in bytes. */
  get unackedBytes(): number {
    return this.#sent.unackedBytes;
  }

  /** Returns whether nothing more may be written on a channel. */
  isChannelEnded(channel: number): boolean {
    if (this.#final) return true;
    const found = this.#channels.find(({ number }) => number === channel);
    return found !== undefined && found.end !== "open";
  }

  /** Queues the OPEN. `encode` is called when its first packet is made. */
  queueOpen(encode: () => Uint8Array): void {
    this.#open = { kind: EnvelopeKind.OPEN, encode, offset: 0 };
  }

  /**
   * Queues a chunk, which may be empty. Resolves when all of it is in packets; rejects with the
   * error of a reset.
   */
  write(channel: number, bytes: Uint8Array): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // The caller sees the rejection; a caller that doesn't await must not end the process.
    promise.catch(() => {});
    this.#channel(channel).chunks.push({ bytes, offset: 0, resolve, reject });
    return promise;
  }

  /** Queues the END of a channel, after its chunks. May be called twice. */
  endChannel(number: number): void {
    const channel = this.#channel(number);
    if (channel.end === "open") channel.end = "requested";
  }

  /** Queues the RESULT, after all chunks. Only the first call counts. */
  queueResult(payload: Uint8Array): void {
    if (this.#final) return;
    this.#final = {
      kind: EnvelopeKind.RESULT,
      encode: () => payload,
      offset: 0,
    };
  }

  /** Queues a RESET, drops what isn't in packets yet, and rejects its writers with the error. */
  queueReset(payload: Uint8Array, error: AranyaError): void {
    this.#dropQueued(error);
    this.#final = {
      kind: EnvelopeKind.RESET,
      encode: () => payload,
      offset: 0,
    };
    this.#isFinalSent = false;
  }

  /** Drops everything, and rejects writers with the error. */
  clear(error: AranyaError): void {
    this.#dropQueued(error);
    this.#sent.clear();
    this.#final = undefined;
  }

  #dropQueued(error: AranyaError): void {
    this.#open = undefined;
    for (const channel of this.#channels) {
      for (const chunk of channel.chunks) chunk.reject(error);
      channel.chunks = [];
    }
  }

  /**
   * Drops packets that the peer has, and raises credits.
   * @throws {AranyaError} code "invalid" when the peer acknowledges more than was sent, or too many
   * channels
   */
  acknowledge(progress: PeerProgress): void {
    if (progress.received > this.#nextSequence) {
      throw new AranyaError(
        "invalid",
        `Cannot accept acknowledgement: it covers ${progress.received} bytes, expected at most ${this.#nextSequence}`,
      );
    }
    this.#acked = Math.max(this.#acked, progress.received);
    this.#credit = Math.max(this.#credit, progress.credit);
    for (const { channel: number, credit } of progress.channels) {
      const channel = this.#channel(number);
      if (this.#channels.length > MAX_CHANNEL_COUNT) {
        throw new AranyaError(
          "invalid",
          `Cannot accept acknowledgement: the stream has more than ${MAX_CHANNEL_COUNT} channels`,
        );
      }
      channel.credit = Math.max(channel.credit, credit);
    }
    this.#sent.acknowledge(this.#acked);
  }

  /** Sends everything again that isn't acknowledged: the link that it was sent on has ended. */
  rewind(): void {
    this.#sent.rewind();
  }

  /** Priority of the next packet; undefined if there is none at the moment. */
  get priority(): StreamPriority | undefined {
    const repeated = this.#sent.nextRepeat;
    if (repeated) return this.#priorityAt(repeated.sequence);
    if (this.#isResetDue()) return "high";
    return this.#hasNewPacket()
      ? this.#priorityAt(this.#nextSequence)
      : undefined;
  }

  #priorityAt(sequence: number): StreamPriority {
    return sequence < this.#highPriorityEnd ? "high" : "normal";
  }

  #isResetDue(): boolean {
    return this.#final?.kind === EnvelopeKind.RESET && !this.#isFinalSent;
  }

  #hasNewPacket(): boolean {
    if (this.#nextSequence >= this.#credit) return false;
    if (this.#sent.heldBytes >= MAX_HELD_BYTES) return false;
    if (this.#open) return true;
    let hasBlockedChunk = false;
    for (const channel of this.#channels) {
      if (sendableBytes(channel) > 0 || isEndDue(channel)) return true;
      hasBlockedChunk ||= channel.chunks.length > 0;
    }
    return this.#final !== undefined && !this.#isFinalSent && !hasBlockedChunk;
  }

  /**
   * Returns the next packet, or undefined if there is none at the moment. New packets have at most
   * `maxBytes`; a repeated one is as long as it was.
   */
  takePacket(stream: number, maxBytes: number): Uint8Array | undefined {
    const repeated = this.#sent.takeRepeat();
    if (repeated) return repeated;
    const payloadBytes = maxBytes - MAX_ENVELOPE_HEADER_BYTES;
    const options: CutOptions = { stream, payloadBytes };
    if (this.#final && this.#isResetDue()) {
      return this.#cutValue(this.#final, options);
    }
    if (!this.#hasNewPacket()) return undefined;
    if (this.#open) return this.#cutValue(this.#open, options);
    return this.#cutChannel(options) ??
      (this.#final && this.#cutValue(this.#final, options));
  }

  #cutValue(value: OutgoingValue, options: CutOptions): Uint8Array {
    const { stream, payloadBytes } = options;
    if (value.offset === 0) {
      const encoded = value.encode();
      value.encode = () => encoded;
    }
    const bytes = value.encode();
    const payload = bytes.subarray(value.offset, value.offset + payloadBytes);
    value.offset += payload.length;
    const complete = value.offset >= bytes.length;
    if (complete && value === this.#open) this.#open = undefined;
    if (complete && value === this.#final) {
      this.#isFinalSent = true;
      value.encode = () => EMPTY;
    }
    return this.#emit(payload, { stream, kind: value.kind, complete });
  }

  /** Makes a packet of the channel whose turn it is; channels without credit are skipped. */
  #cutChannel(options: CutOptions): Uint8Array | undefined {
    for (let step = 0; step < this.#channels.length; step++) {
      const channel = this.#channels[this.#turn % this.#channels.length];
      this.#turn++;
      if (!channel) continue;
      const maxBytes = sendableBytes(channel);
      const chunk = channel.chunks[0];
      if (chunk && maxBytes > 0) {
        const size = Math.min(
          chunk.bytes.length - chunk.offset,
          Math.max(MAX_WHOLE_BYTES, options.payloadBytes - 1),
          maxBytes,
        );
        return this.#cutChunk(channel, { chunk, size, stream: options.stream });
      }
      if (isEndDue(channel)) {
        channel.end = "sent";
        return this.#emit(EMPTY, {
          stream: options.stream,
          kind: EnvelopeKind.END,
          complete: true,
          channel: channel.number,
        });
      }
    }
    return undefined;
  }

  #cutChunk(
    channel: OutgoingChannel,
    { chunk, size, stream }: {
      chunk: OutgoingChunk;
      size: number;
      stream: number;
    },
  ): Uint8Array {
    const payload = chunk.bytes.subarray(chunk.offset, chunk.offset + size);
    chunk.offset += size;
    channel.sentCost += toDataCost(size);
    const complete = chunk.offset === chunk.bytes.length;
    const packet = this.#emit(payload, {
      stream,
      kind: EnvelopeKind.DATA,
      complete,
      channel: channel.number,
    });
    if (complete) channel.chunks.shift()?.resolve();
    return packet;
  }

  /** Encodes an envelope and keeps its packet until it is acknowledged. */
  #emit(
    payload: Uint8Array,
    { stream, kind, complete, channel }: {
      stream: number;
      kind: EnvelopeKind;
      complete: boolean;
      channel?: number;
    },
  ): Uint8Array {
    const sequence = this.#nextSequence;
    const packet = encodeEnvelope(
      { kind, stream, sequence, complete, payload },
      channel === undefined ? {} : { channel },
    );
    this.#nextSequence += 1 + payload.length + (channel === undefined ? 0 : 1);
    this.#sent.push({ sequence, end: this.#nextSequence, packet });
    return packet;
  }

  #channel(number: number): OutgoingChannel {
    let channel = this.#channels.find((each) => each.number === number);
    if (!channel) {
      const credit = INITIAL_CREDIT_BYTES;
      channel = { number, chunks: [], sentCost: 0, credit, end: "open" };
      this.#channels.push(channel);
    }
    return channel;
  }
}

/** Returns how much of the next chunk the channel's credit allows; 0 if it must wait for more. */
function sendableBytes(channel: OutgoingChannel): number {
  const chunk = channel.chunks[0];
  if (!chunk) return 0;
  const credit = channel.credit - channel.sentCost - toDataCost(0);
  const wanted = Math.min(chunk.bytes.length - chunk.offset, MIN_PIECE_BYTES);
  return credit >= wanted ? credit : 0;
}

function isEndDue(channel: OutgoingChannel): boolean {
  return channel.end === "requested" && channel.chunks.length === 0;
}
