// SPDX-License-Identifier: Apache-2.0
/** Reasons for which an operator refuses an agent, in the handshake or in its reply to hello. */
import type { ErrorCode } from "../base/mod.ts";
import { RefusalReason, RefusalReasonSchema } from "./_gen.ts";

const CODES: Readonly<Record<number, ErrorCode>> = {
  [RefusalReason.UNKNOWN_DEVICE]: "unauthorized",
  [RefusalReason.BAD_CREDENTIAL]: "unauthorized",
  [RefusalReason.VERSION]: "unsupported",
  [RefusalReason.DUPLICATE_DEVICE]: "conflict",
};

/**
 * Returns the error code of a refusal. Temporary reasons are "unavailable", and so are unknown
 * ones, which only later versions send.
 */
export function toRefusalCode(reason: RefusalReason): ErrorCode {
  return CODES[reason] ?? "unavailable";
}

/** Returns the name of a reason, e.g. "BAD_CREDENTIAL", or the number of an unknown one. */
export function toRefusalName(reason: RefusalReason): string {
  return RefusalReasonSchema.value[reason]?.localName ?? String(reason);
}
