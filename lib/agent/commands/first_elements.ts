// SPDX-License-Identifier: Apache-2.0
/** Beginnings of lists that are too large for one request. */
import { concatBytes } from "../../shared/base/mod.ts";

/**
 * Encodes a list of the first elements, as many as fit into this many bytes, and at least one. The
 * list must be a message whose only field is repeated: its encoding is the concatenation of lists
 * with one element each.
 */
export function encodeFirst<T>(
  elements: readonly T[],
  { maxBytes, encodeOne }: {
    maxBytes: number;
    /** Encodes a list of one element. */
    encodeOne: (element: T) => Uint8Array;
  },
): { payload: Uint8Array; count: number } {
  const parts: Uint8Array[] = [];
  let byteCount = 0;
  for (const element of elements) {
    const part = encodeOne(element);
    byteCount += part.length;
    if (parts.length > 0 && byteCount > maxBytes) break;
    parts.push(part);
  }
  return { payload: concatBytes(parts), count: parts.length };
}
