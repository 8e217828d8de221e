// SPDX-License-Identifier: Apache-2.0
/**
 * Command and Message, the two envelopes of proto/aranya.proto, to bytes and back. They have the same five fields, so there is one codec.
 * Written by hand because every packet passes here; tests tie it to the generated schema.
 *
 * ```
 * 08 kind  10 stream  18 sequence  20 01 complete  2a length payload      (tags; varints; fields of value 0 are left out)
 * ```
 */
import { AranyaError } from "../base/mod.ts";

/** One Command or Message. */
export interface Envelope {
  /** EnvelopeKind; may be one that this version does not know. */
  kind: number;
  /** 0: link control. */
  stream: number;
  /** Where it begins in its stream's sequence space. */
  sequence: number;
  /** The last piece of a value. */
  complete: boolean;
  /** What its kind says it holds. */
  payload: Uint8Array;
}

/** No header of an envelope is longer, in bytes. */
export const MAX_ENVELOPE_HEADER_BYTES = 32;

const TAG_KIND = 0x08;
const TAG_STREAM = 0x10;
const TAG_SEQUENCE = 0x18;
const TAG_COMPLETE = 0x20;
const TAG_PAYLOAD = 0x2a;
const WIRE_VARINT = 0;
const WIRE_FIXED64 = 1;
const WIRE_BYTES = 2;
const WIRE_FIXED32 = 5;
const VARINT_STEP = 0x80;
/** Up to here `>>>` and `&` are exact. */
const MAX_UINT32 = 0xffff_ffff;
const EMPTY = new Uint8Array(0);

/** Bytes of one envelope. With `channel` its payload is that byte and then `payload` (DATA, END). Copies the payload. */
export function encodeEnvelope(
  envelope: Envelope,
  { channel }: { channel?: number } = {},
): Uint8Array {
  const { kind, stream, sequence, complete, payload } = envelope;
  const length = payload.length + (channel === undefined ? 0 : 1);
  const bytes = new Uint8Array(
    sizeOfField(kind) + sizeOfField(stream) + sizeOfField(sequence) +
      (complete ? 2 : 0) + (length > 0 ? 1 + sizeOfVarint(length) + length : 0),
  );
  let offset = putField(bytes, 0, TAG_KIND, kind);
  offset = putField(bytes, offset, TAG_STREAM, stream);
  offset = putField(bytes, offset, TAG_SEQUENCE, sequence);
  if (complete) offset = putField(bytes, offset, TAG_COMPLETE, 1);
  if (length > 0) {
    offset = putField(bytes, offset, TAG_PAYLOAD, length);
    if (channel !== undefined) bytes[offset++] = channel;
    bytes.set(payload, offset);
  }
  return bytes;
}

/**
 * The envelope in these bytes; its payload is a view of them. Fields that this version does not know are skipped.
 * @throws {AranyaError} code "invalid" when they are no envelope
 */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  const reader = new Reader(bytes);
  const envelope: Envelope = {
    kind: 0,
    stream: 0,
    sequence: 0,
    complete: false,
    payload: EMPTY,
  };
  while (reader.offset < bytes.length) {
    const tag = reader.varint();
    if (tag === TAG_PAYLOAD) envelope.payload = reader.bytes();
    else if (tag === TAG_SEQUENCE) envelope.sequence = reader.varint();
    else if (tag === TAG_KIND) envelope.kind = reader.uint32();
    else if (tag === TAG_STREAM) envelope.stream = reader.uint32();
    else if (tag === TAG_COMPLETE) envelope.complete = reader.varint() !== 0;
    else reader.skip(tag);
  }
  return envelope;
}

class Reader {
  offset = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  varint(): number {
    let value = 0;
    let factor = 1;
    for (let index = 0; index < 10; index++) {
      const byte = this.#bytes[this.offset++];
      if (byte === undefined) throw broken("it ends within a number");
      value += (byte % VARINT_STEP) * factor;
      if (byte < VARINT_STEP) {
        if (value > Number.MAX_SAFE_INTEGER) {
          throw broken("a number is too large");
        }
        return value;
      }
      factor *= VARINT_STEP;
    }
    throw broken("a number is too long");
  }

  uint32(): number {
    const value = this.varint();
    if (value > MAX_UINT32) throw broken("a number is too large");
    return value;
  }

  bytes(): Uint8Array {
    const length = this.varint();
    const start = this.offset;
    if (length > this.#bytes.length - start) throw broken("it is cut short");
    this.offset += length;
    // A plain view, also of what a transport hands over as a Buffer.
    return new Uint8Array(
      this.#bytes.buffer,
      this.#bytes.byteOffset + start,
      length,
    );
  }

  skip(tag: number): void {
    const wireType = tag % 8;
    if (tag < 8) throw broken("a field has number 0");
    if (wireType === WIRE_VARINT) this.#skipVarint();
    else if (wireType === WIRE_BYTES) this.bytes();
    else if (wireType === WIRE_FIXED64) this.#skipFixed(8);
    else if (wireType === WIRE_FIXED32) this.#skipFixed(4);
    else throw broken("a field has an unknown type");
  }

  /** Values of unknown fields may use all 64 bits. */
  #skipVarint(): void {
    for (let index = 0; index < 10; index++) {
      const byte = this.#bytes[this.offset++];
      if (byte === undefined) throw broken("it ends within a number");
      if (byte < VARINT_STEP) return;
    }
    throw broken("a number is too long");
  }

  #skipFixed(length: number): void {
    if (length > this.#bytes.length - this.offset) {
      throw broken("it is cut short");
    }
    this.offset += length;
  }
}

function broken(state: string): AranyaError {
  return new AranyaError("invalid", `Cannot decode envelope: ${state}`);
}

function sizeOfField(value: number): number {
  return value === 0 ? 0 : 1 + sizeOfVarint(value);
}

function sizeOfVarint(value: number): number {
  let size = 1;
  for (let rest = value; rest >= VARINT_STEP; size++) {
    rest = Math.floor(rest / VARINT_STEP);
  }
  return size;
}

/** Writes tag and value unless the value is 0; gives the offset behind it. */
function putField(
  bytes: Uint8Array,
  start: number,
  tag: number,
  value: number,
): number {
  if (value === 0) return start;
  let offset = start;
  bytes[offset++] = tag;
  let rest = value;
  while (rest >= VARINT_STEP) {
    bytes[offset++] = rest % VARINT_STEP + VARINT_STEP;
    rest = Math.floor(rest / VARINT_STEP);
  }
  bytes[offset++] = rest;
  return offset;
}
