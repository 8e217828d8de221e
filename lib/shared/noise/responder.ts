// SPDX-License-Identifier: Apache-2.0
/** The responder's side of the handshake: the operator's. */
import {
  AranyaError,
  asAranyaError,
  defined,
  KEY_BYTES,
  type Meter,
  NO_METER,
  withDeadline,
} from "../base/mod.ts";
import { type FairSlots, toNetwork } from "../guard/mod.ts";
import type { Link } from "../link/mod.ts";
import {
  FRAMING_VERSION,
  type HandshakeInit,
  NO_LINK_ID,
  RefusalReason,
} from "../wire/mod.ts";
import {
  decodeInit,
  encodeRefusal,
  encodeReply,
  type Refusal,
  toPrologue,
} from "./frames.ts";
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
  /** Slots for the concurrent handshakes of a process. @default no bound */
  slots?: FairSlots;
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
  /**
   * The key that the initiator proved to have. It was among the device's keys when the handshake
   * began; compare it with the present ones before anything is done for the initiator.
   */
  key: Uint8Array;
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

/** A decoded HandshakeInit frame. */
type Init = ReturnType<typeof decodeInit>;

/** A failure that the initiator is sent as a refusal. */
class RefusedError extends Error {
  /** For the caller. */
  override readonly cause: AranyaError;
  /** For the initiator. */
  readonly refusal: Refusal;

  constructor(cause: AranyaError, refusal: Refusal) {
    super(cause.message);
    this.cause = cause;
    this.refusal = refusal;
  }
}

/** What is known about a handshake while it runs. */
interface Progress {
  /** Set once the first frame was read; a refusal before that has {@linkcode NO_LINK_ID}. */
  linkId?: number;
}

/**
 * Authenticates both sides as the responder. Resolves once the initiator has proved that it holds
 * the keys of *this* handshake, so that a replayed first message is not enough. When it fails, the
 * initiator is refused with a reason where there is one, and the given link is closed.
 * @throws {AranyaError} code "unauthorized" for an unknown device or a wrong key; "unsupported" for
 * a framing version that is not served; "invalid" for bytes that are no handshake; "unavailable"
 * when no slot is free, when `findKeys` rejects, or when the link closes; "timed_out"; "cancelled".
 * `details.device` is the device that was named, `details.known` whether it exists. With
 * "unsupported", `details.proven` is whether the initiator used a key of the device: otherwise
 * any client may have sent it.
 */
export async function respondToHandshake(
  link: Link,
  options: RespondToHandshakeOptions,
): Promise<AuthenticatedLink> {
  const { slots, timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options;
  const action = `Cannot accept agent at ${link.peer}`;
  const progress: Progress = {};
  using slot = slots?.acquire({
    groups: [link.peer, toNetwork(link.peer)],
    onEvicted: () =>
      link.close("the handshake took too long while others were waiting"),
  });
  try {
    return await withDeadline(
      () =>
        exchangeMessages(link, {
          ...options,
          progress,
          isOverloaded: slots !== undefined && slot === undefined,
        }),
      { timeoutMs, action, signal },
    );
  } catch (error) {
    const cause = error instanceof RefusedError ? error.cause : error;
    const failure = asAranyaError(cause, action);
    options.meter?.count("aranya_handshakes_failed_total", {
      labels: { code: failure.code },
    });
    await sendRefusal(link, { error, progress });
    link.close("the handshake failed");
    throw failure;
  }
}

/** Sends the refusal of a {@linkcode RefusedError}; ignores other errors. Never rejects. */
async function sendRefusal(
  link: Link,
  { error, progress }: { error: unknown; progress: Progress },
): Promise<void> {
  if (!(error instanceof RefusedError)) return;
  const { linkId = NO_LINK_ID } = progress;
  try {
    const frame = encodeRefusal({ ...error.refusal, linkId });
    await withDeadline(() => link.send(frame), {
      timeoutMs: REFUSAL_TIMEOUT_MS,
      action: `Cannot refuse agent at ${link.peer}`,
    });
  } catch {
    // A refusal is a courtesy; the caller closes the link in any case.
  }
}

async function exchangeMessages(
  link: Link,
  options: RespondToHandshakeOptions & {
    progress: Progress;
    isOverloaded: boolean;
  },
): Promise<AuthenticatedLink> {
  const { meter, progress, isOverloaded } = options;
  // Before anything is read, so that waiting clients without a slot cost nothing.
  if (isOverloaded) throw toOverloadedError(link);
  const frames = link.packets[Symbol.asyncIterator]();
  const init = await readInit(link, { frames, meter });
  const { device, linkId } = init;
  progress.linkId = linkId;
  const keys = await findKeys(init, options);
  const proof = readFirstMessage(init, keys);
  checkVersion(init, { proven: proof !== undefined });
  if (!proof) throw toUnauthenticatedError(init, keys);
  const { handshake, key } = proof;
  await link.send(encodeReply({ linkId, noise: handshake.writeMessage() }));
  const { sendKey, receiveKey } = handshake.split();
  const sealed = new SealedLink({
    inner: link,
    frames,
    linkId,
    sendKey,
    receiveKey,
    meter,
  });
  await sealed.confirm();
  sealed.markAuthenticated();
  return { link: sealed, device, key };
}

/** Returns the first frame that begins a handshake. */
async function readInit(
  link: Link,
  { frames, meter = NO_METER }: {
    frames: AsyncIterator<Uint8Array>;
    meter: Meter | undefined;
  },
): Promise<Init> {
  for (;;) {
    const { done, value } = await frames.next();
    if (done) {
      const { reason } = await link.closed;
      throw new AranyaError(
        "unavailable",
        `Cannot accept agent at ${link.peer}: the link ended: ${reason}`,
      );
    }
    try {
      return decodeInit(value);
    } catch (error) {
      if (link.isExclusive) throw error;
      meter.count("aranya_link_dropped_frames_total", {
        labels: { reason: "handshake" },
      });
    }
  }
}

function toOverloadedError(link: Link): RefusedError {
  return new RefusedError(
    new AranyaError(
      "unavailable",
      `Cannot accept agent at ${link.peer}: too many handshakes are under way`,
    ),
    {
      reason: RefusalReason.OVERLOADED,
      message: "the operator is overloaded",
    },
  );
}

function checkVersion(
  { device, framingVersion }: HandshakeInit,
  { proven }: { proven: boolean },
): void {
  if (framingVersion === FRAMING_VERSION) return;
  const problem =
    `its framing version is ${framingVersion}, expected ${FRAMING_VERSION}`;
  throw new RefusedError(
    new AranyaError(
      "unsupported",
      `Cannot accept agent of device ${JSON.stringify(device)}: ${problem}`,
      { details: { device, version: framingVersion, proven } },
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
      throw new RefusedError(error, {
        reason: RefusalReason.NOT_LEADER,
        message,
        ...defined({ endpoint }),
      });
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
  init: Init,
  keys: DeviceKeys | undefined,
): { handshake: NoiseHandshake; key: Uint8Array } | undefined {
  const prologue = toPrologue(init);
  for (const candidate of [keys?.key, keys?.previousKey]) {
    const key = candidate ?? crypto.getRandomValues(new Uint8Array(KEY_BYTES));
    const handshake = new NoiseHandshake({
      role: "responder",
      prologue,
      psk: key,
    });
    try {
      handshake.readMessage(init.noise);
      return { handshake, key };
    } catch (error) {
      if (!(error instanceof AranyaError)) throw error;
    }
  }
  return undefined;
}

/**
 * Returns the error for a first message without a key of the device. Which of the two it
 * is, is only logged.
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
