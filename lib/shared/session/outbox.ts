// SPDX-License-Identifier: Apache-2.0
/**
 * What one stream sends: cut into envelopes when the link has room, kept until the peer has them. Bytes are copied once, into their
 * packet, and a packet once cut is repeated as it was.
 *
 * Order in the sequence space: OPEN, then DATA and END of the channels in turn, then RESULT. RESET goes before all that is not cut yet.
 */
import { AranyaError } from "../base/mod.ts";
import {
  encodeEnvelope,
  EnvelopeKind,
  INITIAL_CREDIT_BYTES,
  MAX_ENVELOPE_HEADER_BYTES,
  toDataCost,
} from "../wire/mod.ts";

/** How much a chunk is cut down for a channel that is short of credit. Below it the rest waits, so that packets don't crumble. */
const MIN_PIECE_BYTES = 4 * 1024;
/** No chunk up to this length is cut, in bytes. */
const WHOLE_BYTES = 256;
/** So many bytes of a request go before streams; what is larger takes its turn with them. */
const URGENT_BYTES = 64 * 1024;
const EMPTY = new Uint8Array(0);

/** Which queue of the sender a stream stands in. */
export type Urgency = "urgent" | "bulk";

interface Value {
  kind: EnvelopeKind;
  bytes: () => Uint8Array;
  offset: number;
}

interface Chunk {
  bytes: Uint8Array;
  offset: number;
  resolve: () => void;
  reject: (error: unknown) => void;
}

interface Channel {
  number: number;
  chunks: Chunk[];
  sentCost: number;
  credit: number;
  end: "open" | "asked" | "sent";
}

interface Sent {
  sequence: number;
  end: number;
  packet: Uint8Array;
}

/** The sending half of one stream. */
export class Outbox {
  #urgentBytes: number;
  #sent: Sent[] = [];
  #first = 0;
  #resend = 0;
  #next = 0;
  #acked = 0;
  #unackedBytes = 0;
  #credit = INITIAL_CREDIT_BYTES;
  #head: Value | undefined;
  #last: Value | undefined;
  #lastCut = false;
  readonly #channels: Channel[] = [];
  #turn = 0;

  /** `urgent`: what it says first goes before streams' data. */
  constructor({ urgent }: { urgent: boolean }) {
    this.#urgentBytes = urgent ? URGENT_BYTES : 1;
  }

  /** It turns out to be a stream: takes its turn with the others. */
  calm(): void {
    this.#urgentBytes = 1;
  }

  /** Whether anything was ever cut: the peer may know of the stream. */
  get begun(): boolean {
    return this.#next > 0;
  }

  /** Whether the peer has acknowledged anything. */
  get heard(): boolean {
    return this.#acked > 0;
  }

  /** Whether the last word is said and the peer has everything. */
  get finished(): boolean {
    return this.#lastCut && this.#first === this.#sent.length;
  }

  /** Whether the last word is cut. */
  get lastCut(): boolean {
    return this.#lastCut;
  }

  /** Sent and not acknowledged, in bytes. */
  get unackedBytes(): number {
    return this.#unackedBytes;
  }

  /** Whether this end has nothing more to write on a channel. */
  isEnded(channel: number): boolean {
    return this.#last !== undefined || this.#channel(channel).end !== "open";
  }

  /** Says the opening word; its bytes are asked for when the first packet is cut. */
  open(bytes: () => Uint8Array): void {
    this.#head = { kind: EnvelopeKind.OPEN, bytes, offset: 0 };
  }

  /** Queues a chunk, which may be empty; resolves when all of it is in packets. */
  write(channel: number, bytes: Uint8Array): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // The caller sees the rejection; one who doesn't look must not end the process.
    promise.catch(() => {});
    this.#channel(channel).chunks.push({ bytes, offset: 0, resolve, reject });
    return promise;
  }

  /** Nothing more on this channel. */
  end(channel: number): void {
    const found = this.#channel(channel);
    if (found.end === "open") found.end = "asked";
  }

  /** The last word, after all that was written. */
  finish(bytes: Uint8Array): void {
    this.#last ??= { kind: EnvelopeKind.RESULT, bytes: () => bytes, offset: 0 };
  }

  /** The last word at once: drops what is not cut. Writers see the error. */
  reset(bytes: Uint8Array, error: AranyaError): void {
    this.#drop(error);
    this.#last = { kind: EnvelopeKind.RESET, bytes: () => bytes, offset: 0 };
    this.#lastCut = false;
  }

  /** Drops everything. Writers see the error. */
  clear(error: AranyaError): void {
    this.#drop(error);
    this.#sent = [];
    this.#first = this.#resend = this.#unackedBytes = 0;
    this.#last = undefined;
  }

  #drop(error: AranyaError): void {
    this.#head = undefined;
    for (const channel of this.#channels) {
      for (const chunk of channel.chunks) chunk.reject(error);
      channel.chunks = [];
    }
  }

  /** Takes in what the peer has and how much more it wants. @throws {AranyaError} code "invalid" when it has more than was sent */
  acknowledge(
    point: {
      received: number;
      credit: number;
      channels: { channel: number; credit: number }[];
    },
  ): void {
    if (point.received > this.#next) {
      throw new AranyaError(
        "invalid",
        `Cannot take acknowledgement: it is of ${point.received} bytes, ${this.#next} were sent`,
      );
    }
    this.#acked = Math.max(this.#acked, point.received);
    this.#credit = Math.max(this.#credit, point.credit);
    for (const { channel, credit } of point.channels) {
      const found = this.#channel(channel);
      found.credit = Math.max(found.credit, credit);
    }
    for (;;) {
      const sent = this.#sent[this.#first];
      if (!sent || sent.end > this.#acked) break;
      this.#unackedBytes -= sent.packet.length;
      this.#first++;
    }
    this.#resend = Math.max(this.#resend, this.#first);
    if (this.#first > 64 && this.#first * 2 > this.#sent.length) {
      this.#sent.splice(0, this.#first);
      this.#resend -= this.#first;
      this.#first = 0;
    }
  }

  /** All that is not acknowledged is to be sent once more. */
  rewind(): void {
    this.#resend = this.#first;
  }

  /** Where this stream stands in line; undefined: nothing can be sent now. */
  get urgency(): Urgency | undefined {
    const again = this.#sent[this.#resend];
    if (again) {
      return again.sequence < this.#urgentBytes ? "urgent" : "bulk";
    }
    if (this.#last?.kind === EnvelopeKind.RESET && !this.#lastCut) {
      return "urgent";
    }
    if (!this.#canCut()) return undefined;
    return this.#next < this.#urgentBytes ? "urgent" : "bulk";
  }

  #canCut(): boolean {
    if (this.#next >= this.#credit) return false;
    if (this.#head) return true;
    let waiting = false;
    for (const channel of this.#channels) {
      if (roomOf(channel) > 0 || isEndDue(channel)) return true;
      waiting ||= channel.chunks.length > 0;
    }
    return this.#last !== undefined && !this.#lastCut && !waiting;
  }

  /** The next packet of this session, at most this long unless it is repeated; undefined when there is none. */
  cut(stream: number, maxBytes: number): Uint8Array | undefined {
    const again = this.#sent[this.#resend];
    if (again) {
      this.#resend++;
      return again.packet;
    }
    const room = maxBytes - MAX_ENVELOPE_HEADER_BYTES;
    if (this.#last?.kind === EnvelopeKind.RESET && !this.#lastCut) {
      return this.#cutValue(this.#last, { stream, room });
    }
    if (!this.#canCut()) return undefined;
    if (this.#head) return this.#cutValue(this.#head, { stream, room });
    return this.#cutChannel({ stream, room }) ??
      (this.#last && this.#cutValue(this.#last, { stream, room }));
  }

  #cutValue(
    value: Value,
    { stream, room }: { stream: number; room: number },
  ): Uint8Array {
    if (value.offset === 0) {
      const bytes = value.bytes();
      value.bytes = () => bytes;
    }
    const bytes = value.bytes();
    const payload = bytes.subarray(value.offset, value.offset + room);
    value.offset += payload.length;
    const complete = value.offset >= bytes.length;
    if (complete && value === this.#head) this.#head = undefined;
    if (complete && value === this.#last) this.#lastCut = true;
    return this.#emit(payload, { stream, kind: value.kind, complete });
  }

  /** Takes the channels in turn; one that has no credit is passed over. */
  #cutChannel(
    { stream, room }: { stream: number; room: number },
  ): Uint8Array | undefined {
    for (let step = 0; step < this.#channels.length; step++) {
      const channel = this.#channels[this.#turn % this.#channels.length];
      this.#turn++;
      if (!channel) continue;
      const credit = roomOf(channel);
      const chunk = channel.chunks[0];
      if (chunk && credit > 0) {
        const size = Math.min(
          chunk.bytes.length - chunk.offset,
          Math.max(WHOLE_BYTES, room - 1),
          credit,
        );
        const payload = chunk.bytes.subarray(chunk.offset, chunk.offset + size);
        chunk.offset += size;
        channel.sentCost += toDataCost(size);
        const complete = chunk.offset === chunk.bytes.length;
        const kind = EnvelopeKind.DATA;
        const number = channel.number;
        const packet = this.#emit(payload, { stream, kind, complete, number });
        if (complete) channel.chunks.shift()?.resolve();
        return packet;
      }
      if (isEndDue(channel)) {
        channel.end = "sent";
        const kind = EnvelopeKind.END;
        const number = channel.number;
        return this.#emit(EMPTY, { stream, kind, complete: true, number });
      }
    }
    return undefined;
  }

  #emit(
    payload: Uint8Array,
    options: {
      stream: number;
      kind: EnvelopeKind;
      complete: boolean;
      number?: number;
    },
  ): Uint8Array {
    const { stream, kind, complete, number } = options;
    const sequence = this.#next;
    const packet = encodeEnvelope(
      { kind, stream, sequence, complete, payload },
      number === undefined ? {} : { channel: number },
    );
    this.#next += 1 + payload.length + (number === undefined ? 0 : 1);
    this.#sent.push({ sequence, end: this.#next, packet });
    this.#resend = this.#sent.length;
    this.#unackedBytes += packet.length;
    return packet;
  }

  #channel(number: number): Channel {
    let channel = this.#channels.find((each) => each.number === number);
    if (!channel) {
      const credit = INITIAL_CREDIT_BYTES;
      channel = { number, chunks: [], sentCost: 0, credit, end: "open" };
      this.#channels.push(channel);
    }
    return channel;
  }
}

/** Bytes of the next chunk that the channel's credit allows; 0 when it is to wait for more. */
function roomOf(channel: Channel): number {
  const chunk = channel.chunks[0];
  if (!chunk) return 0;
  const credit = channel.credit - channel.sentCost - toDataCost(0);
  const wanted = Math.min(chunk.bytes.length - chunk.offset, MIN_PIECE_BYTES);
  return credit >= wanted ? credit : 0;
}

function isEndDue(channel: Channel): boolean {
  return channel.end === "asked" && channel.chunks.length === 0;
}
