// SPDX-License-Identifier: Apache-2.0
/** The key a device proves itself with. */
import { KEY_BYTES, sha256Hex } from "../../shared/base/mod.ts";

/** A new credential: 32 random bytes. */
export function createCredential(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(KEY_BYTES));
}

/** A short name of a credential for the log and status: the first 16 hexadecimal digits of its SHA-256. */
export async function credentialFingerprint(key: Uint8Array): Promise<string> {
  return (await sha256Hex(key)).slice(0, 16);
}
