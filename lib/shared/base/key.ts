// SPDX-License-Identifier: Apache-2.0
/** Length of keys. */

/**
 * Length of every key, in bytes: a device's credential, which is the pre-shared key of the Noise
 * handshake, the X25519 keys of a handshake, and the key that encrypts an agent's state.
 */
export const KEY_BYTES = 32;
