// SPDX-License-Identifier: Apache-2.0
/** Length of keys. */

/**
 * Length of every symmetric key, in bytes: of a device's credential, which is the pre-shared key of the
 * Noise handshake, and of the key that encrypts an agent's state. An X25519 key has the same length.
 */
export const KEY_BYTES = 32;
