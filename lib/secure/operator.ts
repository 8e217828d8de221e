// SPDX-License-Identifier: Apache-2.0
/** The operator's side of the handshake. */
import { AranyaError, type Meter } from "../base/mod.ts";
import type { Link } from "../connectivity/mod.ts";

/** What one device may prove itself with. */
export interface DeviceKeys {
  /** The credential, 32 bytes. */
  key: Uint8Array;
  /** A second one that is accepted too while a rotation is under way. */
  previousKey?: Uint8Array;
}

/** Bounds how many handshakes may be under way at one time. */
export interface HandshakeGate {
  /** Takes a place, or says no. */
  enter(): boolean;
  /** Gives a place back. */
  leave(): void;
}

/** Options of {@linkcode secureAsOperator}. */
export interface SecureAsOperatorOptions {
  /** Credentials of a device; undefined when there is no such device. A rejection refuses the agent as "overloaded": it comes again. */
  lookUp: (device: string) => Promise<DeviceKeys | undefined>;
  /** Protocol versions served, lowest and highest. @default 1 to 1 */
  versions?: { min: number; max: number };
  /** Shared by all handshakes of a listener. @default no bound */
  gate?: HandshakeGate;
  /** For the whole handshake, in milliseconds. @default 10000 */
  timeoutMs?: number;
  meter?: Meter;
  signal?: AbortSignal;
}

/** A link whose device is known. */
export interface SecuredLink {
  /** The sealed link. */
  link: Link;
  /** Name of the device that proved itself. */
  device: string;
  /** Version of the protocol that the agent speaks. */
  protocolVersion: number;
  /** Whether it used `previousKey`. */
  usedPrevious: boolean;
}

/**
 * Waits for the agent's proof and gives ours. The link given is closed when it fails, after telling the agent why.
 * @throws {AranyaError} code "unauthorized" for a device or credential we don't know, "unsupported" for a version we don't serve,
 * "invalid" for bytes that are no handshake, "timed_out", "unavailable" when the gate is full or the link ended;
 * `details.device` names the device claimed
 */
export function secureAsOperator(
  link: Link,
  _options: SecureAsOperatorOptions,
): Promise<SecuredLink> {
  throw new AranyaError(
    "unsupported",
    `Cannot secure link with ${link.peer}: not built yet`,
  );
}

/** Makes a gate for `maxCount` handshakes at one time. */
export function createHandshakeGate(
  { maxCount }: { maxCount: number },
): HandshakeGate {
  let count = 0;
  return {
    enter: () => count < maxCount && ++count > 0,
    leave: () => void (count = Math.max(0, count - 1)),
  };
}
