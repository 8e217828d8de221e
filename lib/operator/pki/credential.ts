// SPDX-License-Identifier: Apache-2.0
/** The secret key that authenticates a device. */
import { KEY_BYTES } from "../../shared/base/mod.ts";

/** Creates a credential: `KEY_BYTES` random bytes, the pre-shared key of the Noise handshake. */
export function createCredential(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(KEY_BYTES));
}
