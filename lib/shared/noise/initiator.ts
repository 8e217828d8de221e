// SPDX-License-Identifier: Apache-2.0
/** The initiator's side of the handshake: the agent's. */
import { AranyaError, defined, type Meter, withDeadline } from "../base/mod.ts";
import type { Link } from "../link/mod.ts";
import { PROTOCOL_VERSION, toRefusalCode, toRefusalName } from "../wire/mod.ts";
import {
  decodeAnswer,
  encodeInit,
  type Refusal,
  toPrologue,
} from "./frames.ts";
import { NoiseHandshake } from "./noise.ts";
import { SealedLink } from "./sealed_link.ts";

/** Options of {@linkcode initiateHandshake}. */
export interface InitiateHandshakeOptions {
  /** Name of the device. */
  device: string;
  /** The device's key, `KEY_BYTES` long. */
  key: Uint8Array;
  /** Version of the wire protocol that this side speaks. @default PROTOCOL_VERSION */
  protocolVersion?: number;
  /** Upper bound of the whole handshake, in milliseconds. @default 10000 */
  timeoutMs?: number;
  meter?: Meter;
  /** Ends the handshake early. */
  signal?: AbortSignal;
}

const DEFAULT_TIMEOUT_MS = 10_000;

/**
 * Authenticates both sides as the initiator and returns the sealed link. The given link is closed
 * when it fails.
 * @throws {AranyaError} code "unauthorized" when the peer refuses this device or its key, or can't
 * prove that it has the key; "unsupported" for the protocol version; "conflict" for a duplicate
 * device; "unavailable" for other refusals and when the link ended; "invalid" for bytes that are no
 * answer; "timed_out"; the signal's reason. `details.refusal` names the reason of a refusal, e.g.
 * "BAD_CREDENTIAL", and `details.endpoint` where to go with "NOT_LEADER", if the responder knows.
 * Both are only hints: a refusal is not authenticated.
 */
export async function initiateHandshake(
  link: Link,
  options: InitiateHandshakeOptions,
): Promise<Link> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options;
  const action = `Cannot connect device "${options.device}" to ${link.peer}`;
  try {
    return await withDeadline(
      () => exchangeMessages(link, { ...options, action }),
      { timeoutMs, action, signal },
    );
  } catch (error) {
    link.close("the handshake failed");
    throw error;
  }
}

async function exchangeMessages(
  link: Link,
  options: InitiateHandshakeOptions & { action: string },
): Promise<Link> {
  const { device, action, protocolVersion = PROTOCOL_VERSION } = options;
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
      `${action}: the link ended during the handshake: ${reason}`,
      { cause: error },
    );
  }
  const answer = decodeAnswer(value);
  if ("refusal" in answer) throw toRefusedError(answer.refusal, action);
  try {
    handshake.readMessage(answer.noise);
  } catch (error) {
    throw new AranyaError(
      "unauthorized",
      `${action}: the other end doesn't know this device's credential`,
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
  // Proves to the responder that the first message was no replay.
  await sealed.send(new Uint8Array(0));
  return sealed;
}

function toRefusedError(
  { reason, message, endpoint }: Refusal,
  action: string,
): AranyaError {
  const name = toRefusalName(reason);
  return new AranyaError(
    toRefusalCode(reason),
    `${action}: the operator refused: ${message || name}`,
    { details: { refusal: name, ...defined({ endpoint }) } },
  );
}
