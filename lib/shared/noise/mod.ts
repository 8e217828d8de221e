// SPDX-License-Identifier: Apache-2.0
/**
 * Mutual authentication and encryption of a link with a key that both sides know (Noise NNpsk0). A
 * plain Link comes in, and after the handshake a sealed Link comes out. The initiator names a
 * device and proves that it has the device's key; the responder proves the same. This room does no
 * I/O of its own and stores no keys.
 *
 * @example
 * ```ts
 * // One side:
 * const link = await initiateHandshake(plainLink, { device: "edge-1", key });
 * // The other side:
 * const { link, device } = await respondToHandshake(plainLink, { findKeys });
 * ```
 *
 * @module
 */
export {
  initiateHandshake,
  type InitiateHandshakeOptions,
} from "./initiator.ts";
export {
  type AuthenticatedLink,
  type DeviceKeys,
  NotLeaderError,
  respondToHandshake,
  type RespondToHandshakeOptions,
} from "./responder.ts";
