// SPDX-License-Identifier: Apache-2.0
/** The operator's side of the handshake. */
import {
  AranyaError,
  asAranyaError,
  KEY_BYTES,
  type Meter,
  withDeadline,
} from "../base/mod.ts";
import type { Link } from "../link/mod.ts";
import { type HandshakeInit, RefusalReason } from "../wire/mod.ts";
import {
  decodeInit,
  DEFAULT_PROTOCOL_VERSION,
  encodeRefusal,
  encodeReply,
  type Refusal,
  toPrologue,
} from "./frames.ts";
import type { HandshakeGate } from "./handshake_limit.ts";
import { NoiseHandshake } from "./noise.ts";
import { SealedLink } from "./sealed_link.ts";

/** What one device may prove itself with. */
export interface DeviceKeys {
  /** The credential, 32 bytes. */
  key: Uint8Array;
  /** A second one that is accepted too while a rotation is under way. */
  previousKey?: Uint8Array;
}

/** Options of {@linkcode secureAsOperator}. */
export interface SecureAsOperatorOptions {
  /** Credentials of a device; undefined when there is no such device. When it rejects, the agent is told to come again. */
  lookUp: (device: string) => Promise<DeviceKeys | undefined>;
  /** Protocol versions served, lowest and highest. @default 1 to 1 */
  versions?: { min: number; max: number };
  /** Shared by all handshakes of a process. @default no bound */
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

const DEFAULT_TIMEOUT_MS = 10_000;

/** One sentence for an unknown device and a wrong credential alike: a stranger doesn't learn which names exist. */
const STRANGER = "there is no such device, or its credential is another one";

/** Ends a handshake with an answer to the agent. */
class RefusedError extends AranyaError {
  readonly refusal: Refusal;
  constructor(error: AranyaError, refusal: Refusal) {
    super(error.code, error.message, {
      cause: error.cause,
      ...(error.details ? { details: error.details } : {}),
    });
    this.refusal = refusal;
  }
}

/**
 * Waits for the agent's proof and gives ours. Resolves when the agent has shown that it holds the keys of *this* handshake.
 * The link given is closed when it fails, after telling the agent why.
 * @throws {AranyaError} code "unauthorized" for a device or credential we don't know, "unsupported" for a version we don't serve,
 * "invalid" for bytes that are no handshake, "timed_out", "unavailable" when the gate is full, `lookUp` failed or the link ended;
 * `details.device` names the device claimed, `details.known` says whether there is one of that name. With "unsupported",
 * `details.proven` says whether the agent had the device's credential: without, anybody may have sent it
 */
export async function secureAsOperator(
  link: Link,
  options: SecureAsOperatorOptions,
): Promise<SecuredLink> {
  const { gate, timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options;
  const action = `Cannot accept agent at ${link.peer}`;
  const leave = gate?.enter(() =>
    link.close("its handshake took too long while others waited")
  );
  try {
    if (gate && !leave) {
      throw new RefusedError(
        new AranyaError(
          "unavailable",
          `${action}: too many handshakes are under way`,
        ),
        {
          reason: RefusalReason.OVERLOADED,
          message: "the operator has too much to do",
        },
      );
    }
    return await withDeadline(() => shakeHands(link, options), {
      timeoutMs,
      action,
      signal,
    });
  } catch (error) {
    options.meter?.count("aranya_handshakes_failed_total", {
      labels: { code: error instanceof AranyaError ? error.code : "cancelled" },
    });
    await refuse(link, error);
    throw error instanceof AranyaError ? error : asAranyaError(error, action);
  } finally {
    leave?.();
  }
}

/** Tells the agent why when there is something to tell, then closes. */
async function refuse(link: Link, error: unknown): Promise<void> {
  if (error instanceof RefusedError) {
    try {
      await withDeadline(() => link.send(encodeRefusal(error.refusal)), {
        timeoutMs: 1000,
        action: `Cannot refuse agent at ${link.peer}`,
      });
    } catch {
      // A refusal is a courtesy: the link that can't take it is closed all the same.
    }
  }
  link.close("the handshake failed");
}

async function shakeHands(
  link: Link,
  options: SecureAsOperatorOptions,
): Promise<SecuredLink> {
  const frames = link.packets[Symbol.asyncIterator]();
  const { done, value } = await frames.next();
  if (done) {
    const { reason } = await link.closed;
    throw new AranyaError(
      "unavailable",
      `Cannot accept agent at ${link.peer}: the link has ended: ${reason}`,
    );
  }
  const init = decodeInit(value);
  const keys = await lookUp(init, options);
  const proof = prove(init, keys);
  checkVersion(init, { ...options, proven: proof !== undefined });
  if (!proof) throw toStranger(init, keys);
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
  init: HandshakeInit,
  options: SecureAsOperatorOptions & { proven: boolean },
): void {
  const { min, max } = options.versions ??
    { min: DEFAULT_PROTOCOL_VERSION, max: DEFAULT_PROTOCOL_VERSION };
  if (init.protocolVersion >= min && init.protocolVersion <= max) return;
  const text =
    `its protocol version is ${init.protocolVersion}, expected ${min} to ${max}`;
  throw new RefusedError(
    new AranyaError(
      "unsupported",
      `Cannot accept agent of device ${JSON.stringify(init.device)}: ${text}`,
      {
        details: {
          device: init.device,
          version: init.protocolVersion,
          proven: options.proven,
        },
      },
    ),
    { reason: RefusalReason.VERSION, message: text },
  );
}

async function lookUp(
  init: HandshakeInit,
  options: SecureAsOperatorOptions,
): Promise<DeviceKeys | undefined> {
  try {
    return await options.lookUp(init.device);
  } catch (error) {
    throw new RefusedError(
      new AranyaError(
        "unavailable",
        `Cannot accept agent of device ${
          JSON.stringify(init.device)
        }: its credential can't be looked up`,
        { cause: error, details: { device: init.device } },
      ),
      {
        reason: RefusalReason.OVERLOADED,
        message: "the operator can't look up credentials now",
      },
    );
  }
}

/**
 * Finds the key that the first message was made with; undefined when it is none of the device's. Unknown devices and absent second keys are played by random ones:
 * every stranger costs the same two attempts.
 */
function prove(
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

function toStranger(
  init: HandshakeInit,
  keys: DeviceKeys | undefined,
): RefusedError {
  const why = keys ? "its credential is wrong" : "there is no such device";
  return new RefusedError(
    new AranyaError(
      "unauthorized",
      `Cannot accept agent of device ${JSON.stringify(init.device)}: ${why}`,
      { details: { device: init.device, known: keys !== undefined } },
    ),
    { reason: RefusalReason.BAD_CREDENTIAL, message: STRANGER },
  );
}
