// SPDX-License-Identifier: Apache-2.0
/** Properties of methods (proto/aranya.proto, enum Method). */
import { type Method, MethodSchema } from "./_gen.ts";

/** Bit of the number of every method that uses channels. */
const STREAM_BIT = 0x10;

/** Returns whether a method uses channels. Holds for methods of later versions as well. */
export function isStreamMethod(method: Method): boolean {
  return (method & STREAM_BIT) !== 0;
}

/** Returns the name without prefix, e.g. "LIST_PODS", or the number if the method is unknown. */
export function toMethodName(method: Method): string {
  return MethodSchema.value[method]?.localName ?? String(method);
}
