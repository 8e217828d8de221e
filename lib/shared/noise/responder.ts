// SPDX-License-Identifier: Apache-2.0
/** The responder's side of the handshake: the operator's. */
import {
  AranyaError,
  asAranyaError,
  defined,
  KEY_BYTES,
  type Meter,
  withDeadline,
} from "../base/mod.ts";
import type { Link } from "../link/mod.ts";
import {
  type HandshakeInit,
  MIN_PROTOCOL_VERSION,
  PROTOCOL_VERSION,
  RefusalReason,
} from "../wire/mod.ts";
import {
  decodeInit,
  encodeRefusal,
  encodeReply,
  type Refusal,
  toPrologue,
} from "./frames.ts";
import type { HandshakeLimit } from "./handshake_limit.ts";
import { NoiseHandshake } from "./noise.ts";
import { SealedLink } from "./sealed_link.ts";

/** Keys that one device may authenticate with. */
export interface DeviceKeys {
  /** The credential, `KEY_BYTES` long. */
  key: Uint8Array;
  /** The previous credential, accepted too while a rotation is under way. */
  previousKey?: Uint8Array;
}

/** Options of {@linkcode respondToHandshake}. */
export interface RespondToHandshakeOptions {
  /**
   * Returns the keys of a device; undefined when there is no such device. When it rejects, the
   * initiator is refused and may try again: with a {@linkcode NotLeaderError} as "not leader", else
   * as "overloaded".
   */
  findKeys: (device: string) => Promise<DeviceKeys | undefined>;
  /**
   * Protocol versions served, both ends included.
   * @default MIN_PROTOCOL_VERSION to PROTOCOL_VERSION
   */
  versions?: { min: number; max: number };
  /** Shared by all handshakes of a process. @default no bound */
  limit?: HandshakeLimit;
  /** Upper bound of the whole handshake, in milliseconds. @default 10000 */
  timeoutMs?: number;
  meter?: Meter;
  /** Ends the handshake early. */
  signal?: AbortSignal;
}

/** A sealed link and what its handshake has proved. */
export interface AuthenticatedLink {
  /** The sealed link. */
  link: Link;
  /** Name of the device. */
  device: string;
  /** Version of the protocol that the initiator speaks. */
  protocolVersion: number;
  /** Whether it used `previousKey`. */
  usedPrevious: boolean;
}

const DEFAULT_TIMEOUT_MS = 10_000;
const REFUSAL_TIMEOUT_MS = 1000;

/** One text for both cases: an unauthenticated client must not learn which device names exist. */
const UNAUTHENTICATED_TEXT = "unknown device or wrong credential";

/** This operator does not lead, so that it knows no keys. */
export class NotLeaderError extends AranyaError {
  /** A sentence for the initiator. */
  readonly reason: string;
  /** "host:port" of the operator that leads, if it is known. */
  readonly endpoint: string | undefined;

  constructor(
    { reason, endpoint }: { reason: string; endpoint?: string | undefined },
  ) {
    super("unavailable", `Cannot accept agent: ${reason}`);
    this.reason = reason;
    this.endpoint = endpoint;
  }
}

/** An error that is sent to the initiator as a refusal. */
class RefusedError extends AranyaError {
  readonly refusal: Refusal;

  constructor(error: AranyaError, refusal: Refusal) {
    const { code, message, cause, details } = error;
    super(code, message, { cause, ...defined({ details }) });
    this.refusal = refusal;
  }
}

/**
 * Authenticates both sides as the responder. Resolves once the initiator has proved that it holds
 * the keys of *this* handshake, so that a replayed first message is not enough. When it fails, the
 * initiator is refused with a reason where there is one, and the given link is closed.
 * @throws {AranyaError} code "unauthorized" for an unknown device or a wrong key; "unsupported" for
 * a version that is not served; "invalid" for bytes that are no handshake; "timed_out";
 * "cancelled"; "unavailable" when `limit` is reached, `findKeys` failed or the link ended.
 * `details.device` is the device that was named, `details.known` whether it exists. With
 * "unsupported", `details.proven` is whether the initiator used a key of the device: otherwise
 * any client may have sent it.
 */
export async function respondToHandshake(
  link: Link,
  options: RespondToHandshakeOptions,
): Promise<AuthenticatedLink> {
  const { limit, timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options;
  const action = `Cannot accept agent at ${link.peer}`;
  using slot = limit?.acquire(() =>
    link.close("the handshake took too long while others were waiting")
  );
  try {
    if (limit && !slot) {
      throw new RefusedError(
        new AranyaError(
          "unavailable",
          `${action}: too many handshakes are under way`,
        ),
        {
          reason: RefusalReason.OVERLOADED,
          message: "the operator is overloaded",
        },
      );
    }
    return await withDeadline(() => exchangeMessages(link, options), {
      timeoutMs,
      action,
      signal,
    });
  } catch (error) {
    const failure = asAranyaError(error, action);
    options.meter?.count("aranya_handshakes_failed_total", {
      labels: { code: error instanceof AranyaError ? error.code : "cancelled" },
    });
    await sendRefusal(link, error);
    link.close("the handshake failed");
    throw failure;
  }
}

/** Sends the refusal of a {@linkcode RefusedError}; ignores other errors. Never rejects. */
async function sendRefusal(link: Link, error: unknown): Promise<void> {
  if (!(error instanceof RefusedError)) return;
  try {
    await withDeadline(() => link.send(encodeRefusal(error.refusal)), {
      timeoutMs: REFUSAL_TIMEOUT_MS,
      action: `Cannot refuse agent at ${link.peer}`,
    });
  } catch {
    // A refusal is a courtesy; the caller closes the link in any case.
  }
}

async function exchangeMessages(
  link: Link,
  options: RespondToHandshakeOptions,
): Promise<AuthenticatedLink> {
  const frames = link.packets[Symbol.asyncIterator]();
  const { done, value } = await frames.next();
  if (done) {
    const { reason } = await link.closed;
    throw new AranyaError(
      "unavailable",
      `Cannot accept agent at ${link.peer}: the link ended: ${reason}`,
    );
  }
  const init = decodeInit(value);
  const keys = await findKeys(init, options);
  const proof = readFirstMessage(init, keys);
  checkVersion(init, { ...options, proven: proof !== undefined });
  if (!proof) throw toUnauthenticatedError(init, keys);
  const { handshake, usedPrevious } = proof;
  await link.send(encodeReply(handshake.writeMessage()));
  const { sendKey, receiveKey } = handshake.split();
  const sealed = new SealedLink({
    inner: link,
    frames,
    sendKey,
    receiveKey,
    meter: options.meter,
  });
  await sealed.confirm();
  return {
    link: sealed,
    device: init.device,
    protocolVersion: init.protocolVersion,
    usedPrevious,
  };
}

function checkVersion(
  { device, protocolVersion }: HandshakeInit,
  { versions, proven }: RespondToHandshakeOptions & { proven: boolean },
): void {
  const { min, max } = versions ??
    { min: MIN_PROTOCOL_VERSION, max: PROTOCOL_VERSION };
  if (protocolVersion >= min && protocolVersion <= max) return;
  const problem =
    `its protocol version is ${protocolVersion}, expected ${min} to ${max}`;
  throw new RefusedError(
    new AranyaError(
      "unsupported",
      `Cannot accept agent of device ${JSON.stringify(device)}: ${problem}`,
      { details: { device, version: protocolVersion, proven } },
    ),
    { reason: RefusalReason.VERSION, message: problem },
  );
}

async function findKeys(
  { device }: HandshakeInit,
  options: RespondToHandshakeOptions,
): Promise<DeviceKeys | undefined> {
  try {
    return await options.findKeys(device);
  } catch (error) {
    if (error instanceof NotLeaderError) {
      const { reason: message, endpoint } = error;
      const refusal = { message, ...defined({ endpoint }) };
      throw new RefusedError(
        error,
        { reason: RefusalReason.NOT_LEADER, ...refusal },
      );
    }
    throw new RefusedError(
      new AranyaError(
        "unavailable",
        `Cannot accept agent of device ${
          JSON.stringify(device)
        }: its credential can't be looked up`,
        { cause: error, details: { device } },
      ),
      {
        reason: RefusalReason.OVERLOADED,
        message: "the operator can't look up credentials at the moment",
      },
    );
  }
}

/**
 * Returns the handshake with the key that the first message was made with; undefined when no key of
 * the device fits.
 *
 * Constant work: the keys of an unknown device and a missing previous key are replaced by random
 * ones, so that timing doesn't reveal which devices exist.
 */
function readFirstMessage(
  init: HandshakeInit,
  keys: DeviceKeys | undefined,
): { handshake: NoiseHandshake; usedPrevious: boolean } | undefined {
  const prologue = toPrologue(init);
  const candidates = [keys?.key, keys?.previousKey];
  for (const [index, key] of candidates.entries()) {
    const handshake = new NoiseHandshake({
      role: "responder",
      prologue,
      psk: key ?? crypto.getRandomValues(new Uint8Array(KEY_BYTES)),
    });
    try {
      handshake.readMessage(init.noise);
      return { handshake, usedPrevious: index > 0 };
    } catch (error) {
      if (!(error instanceof AranyaError)) throw error;
    }
  }
  return undefined;
}

/**
 * Returns the error for a first message without a key of the device. Only the log gets the case.
 */
function toUnauthenticatedError(
  { device }: HandshakeInit,
  keys: DeviceKeys | undefined,
): RefusedError {
  const problem = keys ? "its credential is wrong" : "there is no such device";
  return new RefusedError(
    new AranyaError(
      "unauthorized",
      `Cannot accept agent of device ${JSON.stringify(device)}: ${problem}`,
      { details: { device, known: keys !== undefined } },
    ),
    { reason: RefusalReason.BAD_CREDENTIAL, message: UNAUTHENTICATED_TEXT },
  );
}
