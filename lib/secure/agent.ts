// SPDX-License-Identifier: Apache-2.0
/** The agent's side of the handshake. */
import { AranyaError } from "../base/mod.ts";
import type { Link } from "../connectivity/mod.ts";

/** Options of {@linkcode secureAsAgent}. */
export interface SecureAsAgentOptions {
  /** The device's name. */
  device: string;
  /** The device's credential, 32 bytes. */
  key: Uint8Array;
  /** Version of the wire protocol that this agent speaks. @default 1 */
  protocolVersion?: number;
  /** For the whole handshake, in milliseconds. @default 10000 */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/**
 * Proves the credential to the operator and the operator to us; gives the sealed link. The link given is closed when it fails.
 * @throws {AranyaError} code "unauthorized" when the operator refuses this device or its credential, or can't prove that it knows
 * the credential itself; "unsupported" for the protocol version; "unavailable" when another operator leads, it has too much to do, or the
 * link ended; "conflict" for a duplicate device; "timed_out". `details.refusal` names the reason given, e.g. "UNKNOWN_DEVICE"
 */
export function secureAsAgent(
  link: Link,
  options: SecureAsAgentOptions,
): Promise<Link> {
  throw new AranyaError(
    "unsupported",
    `Cannot secure link of ${options.device} with ${link.peer}: not built yet`,
  );
}
