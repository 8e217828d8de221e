// SPDX-License-Identifier: Apache-2.0
/**
 * Encodes and decodes Command and Message, the two envelopes of proto/aranya.proto. They have the
 * same five fields, so one codec serves both. It is written by hand because every packet passes
 * through it; tests compare it with the generated schema.
 *
 * ```
 * 08 kind   10 stream   18 sequence   20 01 complete   2a length payload
 * ```
 *
 * The first number of each pair is the tag; kind, stream, sequence and length are varints. Fields
 * with value 0 are omitted.
 */
import { AranyaError } from "../base/mod.ts";
import type { EnvelopeKind } from "./_gen.ts";
import {
  MAX_UINT32,
  MAX_VARINT_BYTES,
  VARINT_STEP,
  WIRE_BYTES,
  WIRE_FIXED32,
  WIRE_FIXED64,
  WIRE_VARINT,
} from "./wire_types.ts";

/** One Command or Message. */
export interface Envelope {
  /** An `EnvelopeKind`, or a number that only later versions know. */
  kind: number;
  /** Number of the stream; 0 for link control. */
  stream: number;
  /** Position in the sequence space of the stream. */
  sequence: number;
  /** Whether this is the last piece of a value. */
  complete: boolean;
  /** Depends on the kind; see EnvelopeKind in proto/aranya.proto. */
  payload: Uint8Array;
}

/** Upper bound of an encoded envelope's length beyond its payload, in bytes. */
export const MAX_ENVELOPE_HEADER_BYTES = 32;

const TAG_KIND = 0x08;
const TAG_STREAM = 0x10;
const TAG_SEQUENCE = 0x18;
const TAG_COMPLETE = 0x20;
const TAG_PAYLOAD = 0x2a;
const EMPTY = new Uint8Array(0);

/**
 * Encodes an envelope. With `channel`, its payload is that byte followed by `envelope.payload`
 * (DATA, END), so that the bytes are copied only once.
 */
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
  const writer = new FieldWriter(bytes);
  writer.writeField(TAG_KIND, kind);
  writer.writeField(TAG_STREAM, stream);
  writer.writeField(TAG_SEQUENCE, sequence);
  writer.writeField(TAG_COMPLETE, complete ? 1 : 0);
  writer.writeField(TAG_PAYLOAD, length);
  if (channel !== undefined) bytes[writer.offset++] = channel;
  bytes.set(payload, writer.offset);
  return bytes;
}

/** Encodes an envelope of link control, which is stream 0. */
export function encodeControl(
  kind: EnvelopeKind,
  payload: Uint8Array,
): Uint8Array {
  return encodeEnvelope({
    kind,
    stream: 0,
    sequence: 0,
    complete: true,
    payload,
  });
}

/**
 * Decodes an envelope; its payload is a view of `bytes`. Unknown fields are skipped.
 * @throws {AranyaError} code "invalid" when the bytes are not an envelope
 */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  const reader = new FieldReader(bytes);
  const envelope: Envelope = {
    kind: 0,
    stream: 0,
    sequence: 0,
    complete: false,
    payload: EMPTY,
  };
  while (reader.offset < bytes.length) {
    const tag = reader.readVarint();
    if (tag === TAG_PAYLOAD) envelope.payload = reader.readBytes();
    else if (tag === TAG_SEQUENCE) envelope.sequence = reader.readVarint();
    else if (tag === TAG_KIND) envelope.kind = reader.readUint32();
    else if (tag === TAG_STREAM) envelope.stream = reader.readUint32();
    else if (tag === TAG_COMPLETE) {
      envelope.complete = reader.readVarint() !== 0;
    } else reader.skipField(tag);
  }
  return envelope;
}

/** Writes fields of a protobuf message from front to back. */
class FieldWriter {
  offset = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Writes a tag and a varint. A field with value 0 is omitted, as in every proto3 encoder. */
  writeField(tag: number, value: number): void {
    if (value === 0) return;
    this.#bytes[this.offset++] = tag;
    let rest = value;
    while (rest >= VARINT_STEP) {
      this.#bytes[this.offset++] = rest % VARINT_STEP + VARINT_STEP;
      // Not `>>`: numbers go up to 2^53.
      rest = Math.floor(rest / VARINT_STEP);
    }
    this.#bytes[this.offset++] = rest;
  }
}

/** Reads fields of a protobuf message from front to back. */
class FieldReader {
  offset = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  readVarint(): number {
    let value = 0;
    let factor = 1;
    for (let index = 0; index < MAX_VARINT_BYTES; index++) {
      const byte = this.#bytes[this.offset++];
      if (byte === undefined) throw malformed("truncated varint");
      value += (byte % VARINT_STEP) * factor;
      if (byte < VARINT_STEP) {
        if (value > Number.MAX_SAFE_INTEGER) {
          throw malformed("number above 2^53 - 1");
        }
        return value;
      }
      factor *= VARINT_STEP;
    }
    throw malformed("varint of more than 10 bytes");
  }

  readUint32(): number {
    const value = this.readVarint();
    if (value > MAX_UINT32) throw malformed("number above 2^32 - 1");
    return value;
  }

  readBytes(): Uint8Array {
    const length = this.readVarint();
    const start = this.offset;
    if (length > this.#bytes.length - start) throw malformed("truncated field");
    this.offset += length;
    // Not subarray(): that of a Buffer, which a transport may deliver, is a Buffer too.
    return new Uint8Array(
      this.#bytes.buffer,
      this.#bytes.byteOffset + start,
      length,
    );
  }

  skipField(tag: number): void {
    const wireType = tag % 8;
    if (tag < 8) throw malformed("field number 0");
    if (wireType === WIRE_VARINT) this.#skipVarint();
    else if (wireType === WIRE_BYTES) this.readBytes();
    else if (wireType === WIRE_FIXED64) this.#skipFixed(8);
    else if (wireType === WIRE_FIXED32) this.#skipFixed(4);
    else throw malformed(`unknown wire type ${wireType}`);
  }

  /** Unlike `readVarint`, accepts all 64-bit values: they may occur in unknown fields. */
  #skipVarint(): void {
    for (let index = 0; index < MAX_VARINT_BYTES; index++) {
      const byte = this.#bytes[this.offset++];
      if (byte === undefined) throw malformed("truncated varint");
      if (byte < VARINT_STEP) return;
    }
    throw malformed("varint of more than 10 bytes");
  }

  #skipFixed(length: number): void {
    if (length > this.#bytes.length - this.offset) {
      throw malformed("truncated field");
    }
    this.offset += length;
  }
}

function malformed(state: string): AranyaError {
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
