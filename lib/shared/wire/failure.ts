// SPDX-License-Identifier: Apache-2.0
/** Errors on the wire: Failure in proto/aranya.proto. Code and message travel; cause and details never do. */
import {
  AranyaError,
  ERROR_MAPPINGS,
  type ErrorCode,
  isErrorCode,
} from "../base/mod.ts";
import { FailureKind, FailureSchema } from "./_gen.ts";
import { decodeMessage, encodeMessage } from "./codec.ts";

/** Code for a Failure whose own is none of ours, by its kind. */
const CODE_OF_KIND: Readonly<Record<number, ErrorCode>> = {
  [FailureKind.COMMON]: "internal",
  [FailureKind.NOT_FOUND]: "not_found",
  [FailureKind.ALREADY_EXISTS]: "already_exists",
  [FailureKind.NOT_SUPPORTED]: "unsupported",
  [FailureKind.TIMEOUT]: "timed_out",
};

/** Bytes of the Failure that tells this error. */
export function encodeFailure(error: AranyaError): Uint8Array {
  return encodeMessage(FailureSchema, {
    code: error.code,
    message: error.message,
    kind: FailureKind[ERROR_MAPPINGS[error.code].wireKind],
  });
}

/**
 * The error that a Failure tells; a code of a later version becomes the one nearest to its kind.
 * @throws {AranyaError} code "invalid" when the bytes are no Failure
 */
export function decodeFailure(bytes: Uint8Array): AranyaError {
  const { code, message, kind } = decodeMessage(FailureSchema, bytes);
  return new AranyaError(
    isErrorCode(code) ? code : CODE_OF_KIND[kind] ?? "internal",
    message,
  );
}
