// SPDX-License-Identifier: Apache-2.0
/** Counts the fields of an encoded message without decoding it. */
import {
  type DescField,
  type DescMessage,
  ScalarType,
} from "@bufbuild/protobuf";
import { AranyaError } from "../base/mod.ts";
import {
  MAX_UINT32,
  MAX_VARINT_BYTES,
  VARINT_STEP,
  WIRE_BYTES,
  WIRE_FIXED32,
  WIRE_FIXED64,
  WIRE_VARINT,
} from "./wire_types.ts";

/** How a field is encoded. */
interface FieldLayout {
  /** Wire type of the field, or of one element of a list. */
  wireType: number;
  /** The message in it. */
  message?: DescMessage;
  /** Whether the elements of a list may also be packed into one length-delimited field. */
  isPackable: boolean;
}

/** Wire types of the scalars that are not varints. */
const SCALAR_WIRE_TYPES: Partial<Record<ScalarType, number>> = {
  [ScalarType.DOUBLE]: WIRE_FIXED64,
  [ScalarType.FIXED64]: WIRE_FIXED64,
  [ScalarType.SFIXED64]: WIRE_FIXED64,
  [ScalarType.FLOAT]: WIRE_FIXED32,
  [ScalarType.FIXED32]: WIRE_FIXED32,
  [ScalarType.SFIXED32]: WIRE_FIXED32,
  [ScalarType.STRING]: WIRE_BYTES,
  [ScalarType.BYTES]: WIRE_BYTES,
};

/** Layouts of the fields of a message, by field number. */
type Layouts = ReadonlyMap<number, FieldLayout>;

const LAYOUTS = new WeakMap<DescMessage, Layouts>();
/** Of a message whose fields are only counted. */
const NO_LAYOUTS: Layouts = new Map();

/**
 * Counts the fields of a message, those of nested messages and the elements of packed lists
 * included: decoding makes at least one object or number of each, however short it is encoded.
 * Returns as soon as there are more than `maxCount`.
 *
 * The decoder of protobuf-es 2 takes known fields by their declared type, whatever their wire type
 * is. A field with another wire type is therefore an error here: otherwise the two would take the
 * same bytes for different fields.
 * @throws {AranyaError} code "invalid" when the bytes are not a message
 */
export function countFields(
  schema: DescMessage,
  { bytes, maxCount }: { bytes: Uint8Array; maxCount: number },
): number {
  const counter = new FieldCounter(bytes, maxCount);
  return countWith(schema, () => counter.count(layoutsOf(schema)));
}

/**
 * Counts the fields of a message itself: elements of its lists, but not what is in them; a packed
 * list is one. Returns as soon as there are more than `maxCount`.
 * @throws {AranyaError} code "invalid" when the bytes are not a message
 */
export function countElements(
  schema: DescMessage,
  { bytes, maxCount }: { bytes: Uint8Array; maxCount: number },
): number {
  const counter = new FieldCounter(bytes, maxCount);
  return countWith(schema, () => counter.count(NO_LAYOUTS));
}

/** @throws {AranyaError} code "invalid" instead of what a counter throws */
function countWith(schema: DescMessage, count: () => number): number {
  try {
    return count();
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    throw new AranyaError(
      "invalid",
      `Cannot decode ${schema.name}: ${error.message}`,
    );
  }
}

/** The bytes are not a message. */
class MalformedError extends Error {}

class FieldCounter {
  readonly #bytes: Uint8Array;
  readonly #maxCount: number;
  #offset = 0;
  #count = 0;

  constructor(bytes: Uint8Array, maxCount: number) {
    this.#bytes = bytes;
    this.#maxCount = maxCount;
  }

  /** Counts the fields up to `end`. */
  count(layouts: Layouts, end: number = this.#bytes.length): number {
    while (this.#offset < end && this.#count <= this.#maxCount) {
      this.#count++;
      const tag = this.#readVarint();
      if (tag < 8 || tag > MAX_UINT32) throw new MalformedError(`tag ${tag}`);
      const wireType = tag % 8;
      const layout = layouts.get(tag >>> 3);
      if (layout && layout.wireType !== wireType) {
        if (!layout.isPackable || wireType !== WIRE_BYTES) {
          throw new MalformedError(`wire type ${wireType} of a known field`);
        }
      }
      this.#countContent(wireType, layout);
      if (this.#offset > end) throw new MalformedError("truncated field");
    }
    return this.#count;
  }

  #countContent(wireType: number, layout: FieldLayout | undefined): void {
    if (wireType === WIRE_BYTES) return this.#countBytes(layout);
    if (wireType === WIRE_VARINT) this.#readVarint();
    else if (wireType === WIRE_FIXED64) this.#offset += 8;
    else if (wireType === WIRE_FIXED32) this.#offset += 4;
    else throw new MalformedError(`wire type ${wireType}`);
  }

  #countBytes(layout: FieldLayout | undefined): void {
    const length = this.#readVarint();
    const end = this.#offset + length;
    if (end > this.#bytes.length) throw new MalformedError("truncated field");
    if (layout?.message) this.count(layoutsOf(layout.message), end);
    else if (layout?.isPackable) this.#countPacked(layout.wireType, length);
    // `count` returns early above the limit.
    if (this.#count <= this.#maxCount) this.#offset = end;
  }

  #countPacked(wireType: number, length: number): void {
    if (wireType === WIRE_FIXED64) this.#count += Math.ceil(length / 8);
    else if (wireType === WIRE_FIXED32) this.#count += Math.ceil(length / 4);
    else {
      for (let index = 0; index < length; index++) {
        // The last byte of each varint.
        const byte = this.#bytes[this.#offset + index] ?? 0;
        if (byte < VARINT_STEP) this.#count++;
      }
    }
  }

  #readVarint(): number {
    let value = 0;
    let factor = 1;
    for (let index = 0; index < MAX_VARINT_BYTES; index++) {
      const byte = this.#bytes[this.#offset++];
      if (byte === undefined) throw new MalformedError("truncated varint");
      value += (byte % VARINT_STEP) * factor;
      if (byte < VARINT_STEP) return value;
      factor *= VARINT_STEP;
    }
    throw new MalformedError("varint of more than 10 bytes");
  }
}

function layoutsOf(schema: DescMessage): Layouts {
  let layouts = LAYOUTS.get(schema);
  if (!layouts) {
    layouts = new Map(
      schema.fields.map((field) => [field.number, layoutOf(field)]),
    );
    LAYOUTS.set(schema, layouts);
  }
  return layouts;
}

function layoutOf(field: DescField): FieldLayout {
  const isList = field.fieldKind === "list";
  const kind = isList ? field.listKind : field.fieldKind;
  if (kind === "message" || kind === "map") {
    const { message } = field;
    const isPackable = false;
    return { wireType: WIRE_BYTES, isPackable, ...message && { message } };
  }
  const { scalar } = field;
  const wireType = scalar === undefined
    ? WIRE_VARINT
    : SCALAR_WIRE_TYPES[scalar] ?? WIRE_VARINT;
  return { wireType, isPackable: isList && wireType !== WIRE_BYTES };
}
