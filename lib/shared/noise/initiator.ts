// SPDX-License-Identifier: Apache-2.0
/** The initiator's side of the handshake: the agent's. */
import {
  AranyaError,
  defined,
  type Meter,
  NO_METER,
  withDeadline,
} from "../base/mod.ts";
import type { Link } from "../link/mod.ts";
import { FRAMING_VERSION, toRefusalCode, toRefusalName } from "../wire/mod.ts";
import {
  createLinkId,
  decodeAnswer,
  encodeInit,
  type HandshakeAnswer,
  type HandshakeContext,
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
  /** Upper bound of the whole handshake, in milliseconds. @default 10000 */
  timeoutMs?: number;
  /**
   * How long a reply that can be opened still counts after a refusal, on a link that is not
   * exclusive, in milliseconds: the refusal may be forged. @default 2000
   */
  refusalGraceMs?: number;
  /**
   * Called for each Knock on the sealed link: a new operator may be listening. It is not
   * authenticated. @default ignored
   */
  onKnock?: () => void;
  meter?: Meter;
  /** Ends the handshake early. */
  signal?: AbortSignal;
}

const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_REFUSAL_GRACE_MS = 2000;

/**
 * Authenticates both sides as the initiator and returns the sealed link. The given link is closed
 * when it fails.
 * @throws {AranyaError} code "unauthorized" when the peer refuses this device or its key, or can't
 * prove that it has the key; "unsupported" for the framing version; "conflict" for a duplicate
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
  const initiator = new Initiator(link, options);
  try {
    return await withDeadline(() => initiator.run(), {
      timeoutMs,
      action: initiator.action,
      signal,
    });
  } catch (error) {
    link.close("the handshake failed");
    throw error;
  } finally {
    initiator.stop();
  }
}

/** One handshake. */
class Initiator {
  /** `Cannot <verb> <object>`, for errors. */
  readonly action: string;
  readonly #link: Link;
  readonly #options: InitiateHandshakeOptions;
  readonly #meter: Meter;
  readonly #frames: AsyncIterator<Uint8Array>;
  readonly #context: HandshakeContext;
  readonly #noise: NoiseHandshake;
  /** Rejects some time after a refusal. */
  readonly #refused = Promise.withResolvers<never>();
  #refusalTimer: ReturnType<typeof setTimeout> | undefined;
  #hasSentAgain = false;

  constructor(link: Link, options: InitiateHandshakeOptions) {
    const { device, key } = options;
    this.action = `Cannot connect device "${device}" to ${link.peer}`;
    this.#link = link;
    this.#options = options;
    this.#meter = options.meter ?? NO_METER;
    this.#frames = link.packets[Symbol.asyncIterator]();
    this.#context = {
      framingVersion: FRAMING_VERSION,
      linkId: createLinkId(),
      device,
    };
    this.#noise = new NoiseHandshake({
      role: "initiator",
      prologue: toPrologue(this.#context),
      psk: key,
    });
    // It may reject before it is awaited.
    this.#refused.promise.catch(() => {});
  }

  async run(): Promise<Link> {
    const init = encodeInit({
      ...this.#context,
      noise: this.#noise.writeMessage(),
    });
    await this.#link.send(init);
    for (;;) {
      const frame = await Promise.race([this.#read(), this.#refused.promise]);
      const answer = this.#decode(frame);
      if (answer?.kind === "reply" && this.#readReply(answer.noise)) break;
      if (answer?.kind === "refusal") this.#onRefusal(answer.refusal);
      if (answer?.kind === "knock" && !this.#hasSentAgain) {
        this.#hasSentAgain = true;
        await this.#link.send(init);
      }
    }
    return await this.#seal();
  }

  /** Ends the timer. */
  stop(): void {
    clearTimeout(this.#refusalTimer);
  }

  async #read(): Promise<Uint8Array> {
    const { done, value } = await this.#frames.next();
    if (!done) return value;
    const { reason, error } = await this.#link.closed;
    throw new AranyaError(
      "unavailable",
      `${this.action}: the link ended during the handshake: ${reason}`,
      { cause: error },
    );
  }

  /** Returns undefined for a frame that was dropped. */
  #decode(frame: Uint8Array): HandshakeAnswer | undefined {
    try {
      return decodeAnswer(frame, this.#context.linkId);
    } catch (error) {
      this.#drop(error);
      return undefined;
    }
  }

  #readReply(noise: Uint8Array): boolean {
    try {
      this.#noise.readMessage(noise);
      return true;
    } catch (cause) {
      this.#drop(
        new AranyaError(
          "unauthorized",
          `${this.action}: the other end doesn't know this device's credential`,
          { cause },
        ),
      );
      return false;
    }
  }

  /** Counts a frame that is dropped. @throws the error, when only the peer can have sent it */
  #drop(error: unknown): void {
    if (this.#link.isExclusive) throw error;
    this.#meter.count("aranya_link_dropped_frames_total", {
      labels: { reason: "handshake" },
    });
  }

  #onRefusal({ reason, message, endpoint }: Refusal): void {
    const name = toRefusalName(reason);
    const error = new AranyaError(
      toRefusalCode(reason),
      `${this.action}: the operator refused: ${message || name}`,
      { details: { refusal: name, ...defined({ endpoint }) } },
    );
    if (this.#link.isExclusive) throw error;
    const { refusalGraceMs = DEFAULT_REFUSAL_GRACE_MS } = this.#options;
    this.#refusalTimer ??= setTimeout(
      () => this.#refused.reject(error),
      refusalGraceMs,
    );
  }

  async #seal(): Promise<Link> {
    const { sendKey, receiveKey } = this.#noise.split();
    const sealed = new SealedLink({
      inner: this.#link,
      frames: this.#frames,
      linkId: this.#context.linkId,
      sendKey,
      receiveKey,
      meter: this.#meter,
      ...defined({ onKnock: this.#options.onKnock }),
    });
    sealed.markAuthenticated();
    // Proves to the responder that the first message was no replay.
    await sealed.send(new Uint8Array(0));
    return sealed;
  }
}
