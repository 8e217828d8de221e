// SPDX-License-Identifier: Apache-2.0
/** Encodes and decodes the messages of proto/aranya.proto. */
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { AranyaError } from "../base/mod.ts";
import { countElements, countFields } from "./field_count.ts";
import { MAX_FIELD_COUNT } from "./limits.ts";

/** Encodes a message, given as such or as plain fields. */
export function encodeMessage<Schema extends DescMessage>(
  schema: Schema,
  fields: MessageInitShape<Schema>,
): Uint8Array {
  return toBinary(schema, create(schema, fields));
}

/** Options of {@linkcode decodeMessage}. */
export interface DecodeMessageOptions {
  /**
   * Upper bound of the number of fields, nested ones and elements of lists included.
   * @default MAX_FIELD_COUNT
   */
  maxFieldCount?: number;
  /**
   * Upper bound of the fields of the message itself, elements of its lists included.
   * @default maxFieldCount
   */
  maxElementCount?: number;
  /** Called with the number of fields before they are decoded, also when they are too many. */
  onCounted?: (fieldCount: number) => void;
}

/**
 * Decodes a message. Fields that this version does not know are kept in it.
 * @throws {AranyaError} code "too_large" when it has too many fields, which is found out before any
 * is decoded; "invalid" when the bytes are not a message of this schema
 */
export function decodeMessage<Schema extends DescMessage>(
  schema: Schema,
  bytes: Uint8Array,
  {
    maxFieldCount = MAX_FIELD_COUNT,
    maxElementCount = maxFieldCount,
    onCounted = () => {},
  }: DecodeMessageOptions = {},
): MessageShape<Schema> {
  if (
    maxElementCount < maxFieldCount &&
    countElements(schema, { bytes, maxCount: maxElementCount }) >
      maxElementCount
  ) {
    throw new AranyaError(
      "too_large",
      `Cannot decode ${schema.name}: it has more than ${maxElementCount} elements, the most allowed`,
    );
  }
  const fieldCount = countFields(schema, { bytes, maxCount: maxFieldCount });
  onCounted(fieldCount);
  if (fieldCount > maxFieldCount) {
    throw new AranyaError(
      "too_large",
      `Cannot decode ${schema.name}: it has more than ${maxFieldCount} fields, the most allowed`,
    );
  }
  try {
    return fromBinary(schema, bytes);
  } catch (error) {
    throw new AranyaError(
      "invalid",
      `Cannot decode ${schema.name}: ${
        error instanceof Error ? error.message : String(error)
      }`,
      { cause: error },
    );
  }
}
