// SPDX-License-Identifier: Apache-2.0
/**
 * Records at rest are sealed with a key that lies in a file of its own, so that the state directory alone (a copied disk image, a backup)
 * says nothing. The seal is also the checksum: a torn record does not open.
 *
 * ```
 * +---------+------------+---------+---------------------+
 * | "ARYS"1 | nonce (12) | tag(16) | ChaCha20 ciphertext |
 * +---------+------------+---------+---------------------+
 * ```
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import {
  AranyaError,
  concatBytes,
  KEY_BYTES,
  utf8,
} from "../../shared/base/mod.ts";
import { fromDiskError, replaceFile } from "./disk.ts";

const MAGIC = new Uint8Array([0x41, 0x52, 0x59, 0x53, 1]);
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const ALGORITHM = "chacha20-poly1305";

/** Seals and opens records. */
export interface Seal {
  /** Sealed bytes that open only under the same name. */
  seal(name: string, content: Uint8Array): Uint8Array;
  /** The content, or undefined when the bytes are torn, of another name or sealed with another key. */
  open(name: string, sealed: Uint8Array): Uint8Array | undefined;
}

/** Makes a seal of a 32-byte key. @throws {RangeError} when it has another length */
export function createSeal(key: Uint8Array): Seal {
  if (key.length !== KEY_BYTES) {
    throw new RangeError(
      `Cannot create seal: the key must have ${KEY_BYTES} bytes: current value has ${key.length}`,
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
      const bodyAt = MAGIC.length + NONCE_BYTES + TAG_BYTES;
      if (sealed.length < bodyAt) return undefined;
      if (!MAGIC.every((byte, index) => sealed[index] === byte)) {
        return undefined;
      }
      const nonce = sealed.subarray(MAGIC.length, MAGIC.length + NONCE_BYTES);
      const body = sealed.subarray(bodyAt);
      try {
        const decipher = createDecipheriv(ALGORITHM, key, nonce, {
          authTagLength: TAG_BYTES,
        });
        decipher.setAuthTag(sealed.subarray(bodyAt - TAG_BYTES, bodyAt));
        decipher.setAAD(utf8(name), { plaintextLength: body.length });
        return concatBytes([decipher.update(body), decipher.final()]);
      } catch {
        // The only news a failing tag brings: these are not the bytes that were sealed.
        return undefined;
      }
    },
  };
}

/**
 * The key in this file; made there (mode 0600) when the file is absent.
 * @throws {AranyaError} code "invalid" when the file holds something else; "internal" when it can't be read or written
 */
export async function loadStateKey(path: string): Promise<Uint8Array> {
  const action = `Cannot use state key file "${path}"`;
  try {
    const key = await Deno.readFile(path);
    if (key.length !== KEY_BYTES) {
      throw new AranyaError(
        "invalid",
        `${action}: it has ${key.length} bytes, expected ${KEY_BYTES}`,
      );
    }
    return key;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      throw fromDiskError(error, action);
    }
  }
  const key = new Uint8Array(randomBytes(KEY_BYTES));
  try {
    await replaceFile({ path, content: key });
  } catch (error) {
    throw fromDiskError(error, action);
  }
  return key;
}
