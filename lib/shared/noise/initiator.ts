// SPDX-License-Identifier: Apache-2.0
/** The agent's side of the handshake. */
import {
  AranyaError,
  type ErrorCode,
  type Meter,
  withDeadline,
} from "../base/mod.ts";
import type { Link } from "../link/mod.ts";
import { RefusalReason } from "../wire/mod.ts";
import {
  decodeAnswer,
  DEFAULT_PROTOCOL_VERSION,
  encodeInit,
  type Refusal,
  toPrologue,
} from "./frames.ts";
import { NoiseHandshake } from "./noise.ts";
import { SealedLink } from "./sealed_link.ts";

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
  meter?: Meter;
  signal?: AbortSignal;
}

const DEFAULT_TIMEOUT_MS = 10_000;

/** What a refusal means to the agent; the others are "unavailable". */
const REFUSAL_CODES: Partial<Record<RefusalReason, ErrorCode>> = {
  [RefusalReason.UNKNOWN_DEVICE]: "unauthorized",
  [RefusalReason.BAD_CREDENTIAL]: "unauthorized",
  [RefusalReason.VERSION]: "unsupported",
  [RefusalReason.DUPLICATE_DEVICE]: "conflict",
};

/**
 * Proves the credential to the operator and the operator to us; gives the sealed link. The link given is closed when it fails.
 * @throws {AranyaError} code "unauthorized" when the operator refuses this device or its credential, or can't prove that it knows
 * the credential itself; "unsupported" for the protocol version; "conflict" for a duplicate device; "unavailable" when another
 * operator leads, it has too much to do, or the link ended; "invalid" for an answer that is none; "timed_out".
 * `details.refusal` names the reason given, e.g. "BAD_CREDENTIAL": a hint only, since a refusal is not authenticated
 */
export async function secureAsAgent(
  link: Link,
  options: SecureAsAgentOptions,
): Promise<Link> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options;
  const action = `Cannot connect device "${options.device}" to ${link.peer}`;
  try {
    return await withDeadline(() => shakeHands(link, { ...options, action }), {
      timeoutMs,
      action,
      signal,
    });
  } catch (error) {
    link.close("the handshake failed");
    throw error;
  }
}

async function shakeHands(
  link: Link,
  options: SecureAsAgentOptions & { action: string },
): Promise<Link> {
  const { device, action, protocolVersion = DEFAULT_PROTOCOL_VERSION } =
    options;
  const handshake = new NoiseHandshake({
    role: "initiator",
    prologue: toPrologue({ device, protocolVersion }),
    psk: options.key,
  });
  const frames = link.packets[Symbol.asyncIterator]();
  await link.send(
    encodeInit({ device, protocolVersion, noise: handshake.writeMessage() }),
  );
  const { done, value } = await frames.next();
  if (done) {
    const { reason, error } = await link.closed;
    throw new AranyaError(
      "unavailable",
      `${action}: the link has ended during the handshake: ${reason}`,
      { cause: error },
    );
  }
  const answer = decodeAnswer(value);
  if ("refusal" in answer) throw toError(answer.refusal, action);
  try {
    handshake.readMessage(answer.noise);
  } catch (error) {
    throw new AranyaError(
      "unauthorized",
      `${action}: the other end does not know this device's credential`,
      { cause: error },
    );
  }
  const { sendKey, receiveKey } = handshake.split();
  const sealed = new SealedLink({
    inner: link,
    frames,
    sendKey,
    receiveKey,
    meter: options.meter,
  });
  // Proves to the operator that this is no replay of an old first message.
  await sealed.send(new Uint8Array(0));
  return sealed;
}

function toError(refusal: Refusal, action: string): AranyaError {
  const [name = String(refusal.reason)] = Object.entries(RefusalReason)
    .find(([, reason]) => reason === refusal.reason) ?? [];
  return new AranyaError(
    REFUSAL_CODES[refusal.reason] ?? "unavailable",
    `${action}: the operator refuses it: ${refusal.message || name}`,
    { details: { refusal: name } },
  );
}
