// SPDX-License-Identifier: Apache-2.0
/** Constants of the protobuf wire format. */

/** Wire types: the three lowest bits of a tag. */
export const WIRE_VARINT = 0;
/** Eight bytes. */
export const WIRE_FIXED64 = 1;
/** A length, then so many bytes. */
export const WIRE_BYTES = 2;
/** Four bytes. */
export const WIRE_FIXED32 = 5;

/** A byte of at least this value is followed by another one of the varint. */
export const VARINT_STEP = 0x80;
/** Upper bound of a varint's length, in bytes. */
export const MAX_VARINT_BYTES = 10;

/** Upper bound of a tag, and of a field of type uint32. */
export const MAX_UINT32 = 0xffff_ffff;
