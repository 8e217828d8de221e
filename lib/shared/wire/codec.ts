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

/** Encodes a message, given as such or as plain fields. */
export function encodeMessage<Schema extends DescMessage>(
  schema: Schema,
  fields: MessageInitShape<Schema>,
): Uint8Array {
  return toBinary(schema, create(schema, fields));
}

/**
 * Decodes a message. Fields that this version does not know are kept in it.
 * @throws {AranyaError} code "invalid" when the bytes are not a message of this schema
 */
export function decodeMessage<Schema extends DescMessage>(
  schema: Schema,
  bytes: Uint8Array,
): MessageShape<Schema> {
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
