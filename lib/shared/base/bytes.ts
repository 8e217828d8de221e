// SPDX-License-Identifier: Apache-2.0
/** Conversions and comparisons of byte arrays. */

/** Bytes in one MiB. */
export const MEBIBYTE = 1024 * 1024;

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

/** Encodes a text as UTF-8. */
export function utf8(text: string): Uint8Array {
  return ENCODER.encode(text);
}

/** Decodes UTF-8; bytes that are not UTF-8 become U+FFFD. */
export function fromUtf8(bytes: Uint8Array): string {
  return DECODER.decode(bytes);
}

/** Returns the beginning of a text that has at most this many bytes in UTF-8; whole characters. */
export function cutUtf8(text: string, maxBytes: number): string {
  return text.slice(0, ENCODER.encodeInto(text, new Uint8Array(maxBytes)).read);
}

/** Copies all parts into one new array. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(
    parts.reduce((sum, part) => sum + part.length, 0),
  );
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** Returns whether both hold the same bytes. Not for secrets: timing depends on the content. */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length &&
    left.every((byte, index) => byte === right[index]);
}

/** Encodes bytes as lower-case hexadecimal text. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
}

/**
 * Decodes hexadecimal text of either case.
 * @throws {SyntaxError} when the length is odd or another character is in it
 */
export function fromHex(text: string): Uint8Array {
  if (!/^(?:[0-9a-f]{2})*$/i.test(text)) {
    throw new SyntaxError(
      "Cannot decode hexadecimal text: it has other characters or an odd length",
    );
  }
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** Returns the SHA-256 of these bytes as lower-case hexadecimal text. */
export async function sha256Hex(bytes: Uint8Array): Promise<string> {
  return toHex(
    new Uint8Array(
      await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>),
    ),
  );
}
