// SPDX-License-Identifier: Apache-2.0
/** Texts of a peer. */

const CONTROL_CHARACTERS = /\p{Cc}/gu;

/**
 * Returns a peer's text for log lines, conditions and errors: cut to a length in characters, with
 * spaces instead of control characters.
 */
export function toSafeText(
  text: string,
  { maxLength }: { maxLength: number },
): string {
  return text.slice(0, maxLength).replaceAll(CONTROL_CHARACTERS, " ");
}
