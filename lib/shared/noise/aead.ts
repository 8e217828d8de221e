// SPDX-License-Identifier: Apache-2.0
/** ChaCha20-Poly1305 as Noise uses it (Noise Protocol Framework, section 12.3). */
import { createCipheriv, createDecipheriv } from "node:crypto";

/** Length of the authentication tag behind each ciphertext, in bytes. */
export const TAG_BYTES = 16;

const ALGORITHM = "chacha20-poly1305";
const NONCE_BYTES = 12;
const TWO_TO_32 = 0x1_0000_0000;

/** Options of {@linkcode sealBytes}. */
export interface SealBytesOptions {
  /** Must never repeat with the same key. */
  counter: number;
  /** The plaintext. */
  data: Uint8Array;
  /** Associated data: authenticated, not encrypted. */
  associated?: Uint8Array;
  /** Bytes left free in front of the ciphertext, for a header. @default 0 */
  headroomBytes?: number;
}

/** Encrypts and authenticates `data`. Returns free bytes, ciphertext and tag in one array. */
export function sealBytes(
  key: Uint8Array,
  options: SealBytesOptions,
): Uint8Array {
  const { data, headroomBytes = 0 } = options;
  const cipher = createCipheriv(ALGORITHM, key, toNonce(options.counter), {
    authTagLength: TAG_BYTES,
  });
  if (options.associated) {
    cipher.setAAD(options.associated, { plaintextLength: data.length });
  }
  const sealed = new Uint8Array(headroomBytes + data.length + TAG_BYTES);
  if (data.length > 0) sealed.set(cipher.update(data), headroomBytes);
  cipher.final();
  sealed.set(cipher.getAuthTag(), headroomBytes + data.length);
  return sealed;
}

/** Options of {@linkcode openBytes}. */
export interface OpenBytesOptions {
  counter: number;
  /** Ciphertext and tag. */
  sealed: Uint8Array;
  /** Associated data, as it was given to {@linkcode sealBytes}. */
  associated?: Uint8Array;
}

/**
 * Decrypts bytes of {@linkcode sealBytes}. Returns undefined when they were not sealed with this
 * key, counter and associated data.
 */
export function openBytes(
  key: Uint8Array,
  options: OpenBytesOptions,
): Uint8Array | undefined {
  const { sealed } = options;
  const length = sealed.length - TAG_BYTES;
  if (length < 0) return undefined;
  const decipher = createDecipheriv(ALGORITHM, key, toNonce(options.counter), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAuthTag(sealed.subarray(length));
  if (options.associated) {
    decipher.setAAD(options.associated, { plaintextLength: length });
  }
  const data = length > 0
    ? decipher.update(sealed.subarray(0, length))
    : new Uint8Array(0);
  try {
    decipher.final();
  } catch {
    // `final` throws only for a wrong tag.
    return undefined;
  }
  return data;
}

/** Returns 4 zero bytes and the counter as 64 bits, little endian. */
function toNonce(counter: number): Uint8Array {
  const nonce = new Uint8Array(NONCE_BYTES);
  const view = new DataView(nonce.buffer);
  const littleEndian = true;
  view.setUint32(4, counter % TWO_TO_32, littleEndian);
  view.setUint32(8, Math.floor(counter / TWO_TO_32), littleEndian);
  return nonce;
}
