// SPDX-License-Identifier: Apache-2.0
/** Encryption of records at rest. */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { concatBytes, KEY_BYTES, utf8 } from "../../shared/base/mod.ts";

/** "ARYS" and the version of the format. */
const MAGIC = new Uint8Array([0x41, 0x52, 0x59, 0x53, 1]);
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEAD_BYTES = MAGIC.length + NONCE_BYTES + TAG_BYTES;
const ALGORITHM = "chacha20-poly1305";

/**
 * Encrypts and authenticates records. The key lies in a file of its own, so that the state
 * directory alone (a copied disk image, a backup) reveals nothing. The authentication tag serves as
 * checksum: an incomplete record does not open.
 *
 * ```
 * +---------+----------+---------+---------------------+
 * | "ARYS"1 | nonce 12 | tag 16  | ChaCha20 ciphertext |
 * +---------+----------+---------+---------------------+
 * ```
 */
export interface Seal {
  /** Encrypts a content; the result opens under the same name only. */
  seal(name: string, content: Uint8Array): Uint8Array;
  /**
   * Decrypts a content. Returns undefined when the bytes are damaged, of another name or of another
   * key.
   */
  open(name: string, sealed: Uint8Array): Uint8Array | undefined;
}

/**
 * Creates a seal with a key of 32 bytes.
 * @throws {RangeError} when the key has another length
 */
export function createSeal(key: Uint8Array): Seal {
  if (key.length !== KEY_BYTES) {
    throw new RangeError(
      `Cannot create seal: the key has ${key.length} bytes, expected ${KEY_BYTES}`,
    );
  }
  return {
    seal(name, content) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(ALGORITHM, key, nonce, {
        authTagLength: TAG_BYTES,
      });
      cipher.setAAD(utf8(name), { plaintextLength: content.length });
      const body = concatBytes([cipher.update(content), cipher.final()]);
      return concatBytes([MAGIC, nonce, cipher.getAuthTag(), body]);
    },
    open(name, sealed) {
      if (sealed.length < HEAD_BYTES) return undefined;
      if (!MAGIC.every((byte, index) => sealed[index] === byte)) {
        return undefined;
      }
      const nonce = sealed.subarray(MAGIC.length, MAGIC.length + NONCE_BYTES);
      const body = sealed.subarray(HEAD_BYTES);
      try {
        const decipher = createDecipheriv(ALGORITHM, key, nonce, {
          authTagLength: TAG_BYTES,
        });
        decipher.setAuthTag(
          sealed.subarray(HEAD_BYTES - TAG_BYTES, HEAD_BYTES),
        );
        decipher.setAAD(utf8(name), { plaintextLength: body.length });
        return concatBytes([decipher.update(body), decipher.final()]);
      } catch {
        // The tag does not match: damaged, another name or another key.
        return undefined;
      }
    },
  };
}
