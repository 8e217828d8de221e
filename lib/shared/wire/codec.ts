// SPDX-License-Identifier: Apache-2.0
/** Messages of proto/aranya.proto to bytes and back, with broken bytes as an error of ours. */
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { AranyaError } from "../base/mod.ts";

/** Bytes of a message given as plain fields or as a message. */
export function encodeMessage<Schema extends DescMessage>(
  schema: Schema,
  fields: MessageInitShape<Schema>,
): Uint8Array {
  return toBinary(schema, create(schema, fields));
}

/**
 * The message in these bytes. Fields that this version does not know are kept in it.
 * @throws {AranyaError} code "invalid" when they are none
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
