// SPDX-License-Identifier: Apache-2.0
/** Errors on the wire: message Failure of proto/aranya.proto. */
import {
  AranyaError,
  ERROR_MAPPINGS,
  type ErrorCode,
  isErrorCode,
} from "../base/mod.ts";
import { FailureKind, FailureSchema } from "./_gen.ts";
import { decodeMessage, encodeMessage } from "./codec.ts";

/** The closest code of each kind, for codes that only later versions know. */
const CODE_OF_KIND: Readonly<Record<number, ErrorCode>> = {
  [FailureKind.COMMON]: "internal",
  [FailureKind.NOT_FOUND]: "not_found",
  [FailureKind.ALREADY_EXISTS]: "already_exists",
  [FailureKind.NOT_SUPPORTED]: "unsupported",
  [FailureKind.TIMEOUT]: "timed_out",
};

/** Encodes code and message of an error. Cause and details are never sent. */
export function encodeFailure(error: AranyaError): Uint8Array {
  return encodeMessage(FailureSchema, {
    code: error.code,
    message: error.message,
    kind: FailureKind[ERROR_MAPPINGS[error.code].wireKind],
  });
}

/**
 * Decodes an error. An unknown code becomes the closest code of its kind.
 * @throws {AranyaError} code "invalid" when the bytes are not a Failure
 */
export function decodeFailure(bytes: Uint8Array): AranyaError {
  const { code, message, kind } = decodeMessage(FailureSchema, bytes);
  return new AranyaError(
    isErrorCode(code) ? code : CODE_OF_KIND[kind] ?? "internal",
    message,
  );
}
