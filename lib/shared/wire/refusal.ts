// SPDX-License-Identifier: Apache-2.0
/** Reasons with which an operator refuses an agent, in the handshake and in the session's hello. */
import type { ErrorCode } from "../base/mod.ts";
import { RefusalReason, RefusalReasonSchema } from "./_gen.ts";

const CODES: Readonly<Record<number, ErrorCode>> = {
  [RefusalReason.UNKNOWN_DEVICE]: "unauthorized",
  [RefusalReason.BAD_CREDENTIAL]: "unauthorized",
  [RefusalReason.VERSION]: "unsupported",
  [RefusalReason.DUPLICATE_DEVICE]: "conflict",
};

/**
 * Returns the error code of a refusal; "unavailable" for reasons that pass, and for those of later
 * versions.
 */
export function toRefusalCode(reason: RefusalReason): ErrorCode {
  return CODES[reason] ?? "unavailable";
}

/** Returns the name of a reason, e.g. "BAD_CREDENTIAL", or the number of one of a later version. */
export function toRefusalName(reason: RefusalReason): string {
  return RefusalReasonSchema.value[reason]?.localName ?? String(reason);
}
