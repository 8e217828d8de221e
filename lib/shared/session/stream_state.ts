// SPDX-License-Identifier: Apache-2.0
/**
 * One stream: its two sequence spaces and its life.
 *
 * - live: both sides may speak.
 * - finishing: our last word (RESULT or RESET) is said; we wait until the peer has it. What still comes is counted and dropped.
 * - over: nothing left to send or to wait for; the session forgets it.
 *
 * An opener is over when it has the RESULT; either side when it has a RESET, or when the other end is lost.
 */
import { AranyaError, asAranyaError } from "../base/mod.ts";
import {
  decodeFailure,
  encodeFailure,
  type Envelope,
  EnvelopeKind,
  INITIAL_CREDIT_BYTES,
  Reassembler,
} from "../wire/mod.ts";
import { Outbox } from "./outbox.ts";

/** How far a peer may send ahead in a session's sequence space, beyond the first credit. */
const SESSION_WINDOW_BYTES = 4 * 1024 * 1024 + 64 * 1024;
/** The session's credit is told again after so much of it. */
const CREDIT_STEP_BYTES = INITIAL_CREDIT_BYTES / 4;
const MAX_FAILURE_BYTES = 64 * 1024;

/** What a stream tells whoever holds it. Calls come in order; after `failed` or `finished` nothing comes. */
export interface StreamEvents {
  /** At the acceptor: the opening word is complete. */
  opened?(bytes: Uint8Array): void;
  /** @throws {AranyaError} what the stream is to be reset with */
  data(channel: number, bytes: Uint8Array): void;
  /** The peer sends nothing more on this channel. */
  ended(channel: number): void;
  /** At the opener: the acceptor's last word. */
  resulted(bytes: Uint8Array): void;
  /** At the acceptor: the peer has our last word. */
  finished(): void;
  /** Reset by either side, or lost. */
  failed(error: AranyaError): void;
  /** Credits given for channels. */
  credits(): { channel: number; credit: number }[];
  /** Received and not taken by a reader, in bytes. */
  readonly heldBytes: number;
}

/** What a stream needs of its session. */
export interface StreamHost {
  readonly maxValueBytes: number;
  /** There may be something to send. */
  changed(stream: StreamState): void;
  /** The peer should hear of a risen credit. */
  creditRisen(stream: StreamState): void;
  /** May be forgotten. */
  over(stream: StreamState): void;
  /** An envelope of a kind that this version does not know. */
  unknown(kind: number): void;
}

/** How far the receiver of one direction has come. */
export interface Point {
  stream: number;
  received: bigint;
  credit: bigint;
  channels: { channel: number; credit: bigint }[];
}

/** Options of {@linkcode StreamState}. */
export interface StreamStateOptions {
  host: StreamHost;
  events: StreamEvents;
  /** Whether this side opens it. */
  opener: boolean;
  /** Whether it asks for one answer, so that it goes before streams. */
  urgent: boolean;
  /** 0: given when its first packet is cut. */
  id?: number;
}

/** See the top of this file. */
export class StreamState {
  /** Its number on the wire. */
  id: number;
  readonly opener: boolean;
  readonly outbox: Outbox;
  readonly #host: StreamHost;
  readonly #events: StreamEvents;
  readonly #values: Reassembler;
  readonly #failures = new Reassembler({ maxBytes: MAX_FAILURE_BYTES });
  #state: "live" | "finishing" | "over" = "live";
  #received = 0;
  #toldCredit = INITIAL_CREDIT_BYTES;
  readonly #toldChannels = new Map<number, number>();
  #opened = false;
  #resetSaid = false;

  constructor(options: StreamStateOptions) {
    this.id = options.id ?? 0;
    this.opener = options.opener;
    this.outbox = new Outbox({ urgent: options.urgent });
    this.#host = options.host;
    this.#events = options.events;
    this.#values = new Reassembler({
      maxBytes: options.host.maxValueBytes,
      action: options.opener ? "Cannot take answer" : "Cannot take request",
    });
  }

  /** See the top of this file. */
  get state(): "live" | "finishing" | "over" {
    return this.#state;
  }

  /** Sequence space received in order. */
  get received(): number {
    return this.#received;
  }

  /** Pieces of a value that waits for its last one, in bytes. */
  get joiningBytes(): number {
    return this.#values.heldBytes;
  }

  /** Received and not taken by a reader, in bytes. */
  get heldBytes(): number {
    return this.#values.heldBytes + this.#events.heldBytes;
  }

  /** Tells that there may be something to send. */
  changed(): void {
    if (this.#state !== "over") this.#host.changed(this);
  }

  /** Tells that a channel's credit has risen. */
  creditRisen(): void {
    if (this.#state === "live") this.#host.creditRisen(this);
  }

  /** Takes an envelope of this session; tells when it came twice, or when something before it is missing. */
  receive(envelope: Envelope): "taken" | "duplicate" | "gap" {
    const end = envelope.sequence + 1 + envelope.payload.length;
    if (end <= this.#received) return "duplicate";
    if (envelope.sequence !== this.#received) return "gap";
    this.#received = end;
    if (this.#state !== "over") this.#dispatch(envelope);
    return "taken";
  }

  #dispatch({ kind, payload, complete }: Envelope): void {
    if (kind === EnvelopeKind.RESET) {
      const value = this.#failures.push(payload, { complete });
      if (value) this.#leave(() => this.#events.failed(toError(value)));
      return;
    }
    if (this.#state !== "live") return;
    if (kind === EnvelopeKind.DATA) {
      this.#events.data(payload[0] ?? 0, payload.subarray(1));
    } else if (kind === EnvelopeKind.END) {
      this.#events.ended(payload[0] ?? 0);
    } else if (kind === EnvelopeKind.RESULT && this.opener) {
      const value = this.#values.push(payload, { complete });
      if (value) this.#leave(() => this.#events.resulted(value));
    } else if (kind === EnvelopeKind.OPEN && !this.opener && !this.#opened) {
      const value = this.#values.push(payload, { complete });
      this.#opened = value !== undefined;
      if (value) this.#events.opened?.(value);
    } else this.#host.unknown(kind);
  }

  /** The peer's word on how far it has come. */
  acknowledge(point: Point): void {
    if (this.#state === "over") return;
    this.outbox.acknowledge({
      received: Number(point.received),
      credit: Number(point.credit),
      channels: point.channels.map(({ channel, credit }) => ({
        channel,
        credit: Number(credit),
      })),
    });
    if (this.#state === "finishing" && this.outbox.finished) {
      this.#leave(() => this.#events.finished());
    } else this.#host.changed(this);
  }

  /** Says the last word after all that was written. */
  finish(bytes: Uint8Array): void {
    if (this.#state !== "live") return;
    this.#state = "finishing";
    this.outbox.finish(bytes);
    this.#host.changed(this);
  }

  /** Ends both directions with this error; nothing happens when the last word is said already. */
  reset(error: AranyaError): void {
    if (this.#state === "over" || this.outbox.lastCut) return;
    if (!this.outbox.begun && this.opener) return this.lose(error);
    if (this.#resetSaid) return;
    this.#resetSaid = true;
    this.#state = "finishing";
    this.outbox.reset(encodeFailure(error), error);
    this.#events.failed(error);
    this.#host.changed(this);
  }

  /** The other end will say nothing more: ends with this error, and nobody is told but our own side. */
  lose(error: AranyaError): void {
    if (this.#state === "over") return;
    this.outbox.clear(error);
    this.#leave(() => this.#events.failed(error));
  }

  /** The peer does not know this stream: fine when our last word was said, else it is lost with this error. */
  gone(error: AranyaError): void {
    if (this.#state === "finishing" && this.outbox.lastCut) {
      this.#leave(() => this.#events.finished());
    } else this.lose(error);
  }

  #leave(tell: () => void): void {
    this.#state = "over";
    tell();
    this.outbox.clear(
      new AranyaError("cancelled", "Cannot write to stream: it has ended"),
    );
    this.#host.over(this);
  }

  /** What the peer should hear now: how far we are, and credits that have risen since the last time. */
  ackPoint(): Point {
    const credit = this.#received + SESSION_WINDOW_BYTES;
    const told = credit - this.#toldCredit >= CREDIT_STEP_BYTES;
    if (told) this.#toldCredit = credit;
    const risen = this.#events.credits().filter(({ channel, credit }) =>
      (this.#toldChannels.get(channel) ?? INITIAL_CREDIT_BYTES) < credit
    );
    for (const { channel, credit } of risen) {
      this.#toldChannels.set(channel, credit);
    }
    return this.#point({ credit: told ? credit : 0, channels: risen });
  }

  /** All that the peer must know to go on, on a new link. */
  resumePoint(): Point {
    return this.#point({
      credit: this.#received + SESSION_WINDOW_BYTES,
      channels: this.#events.credits(),
    });
  }

  #point(
    { credit, channels }: {
      credit: number;
      channels: { channel: number; credit: number }[];
    },
  ): Point {
    return {
      stream: this.id,
      received: BigInt(this.#received),
      credit: BigInt(credit),
      channels: channels.map(({ channel, credit }) => ({
        channel,
        credit: BigInt(credit),
      })),
    };
  }
}

/** The peer's reason; one that can't be read is an error too. */
function toError(bytes: Uint8Array): AranyaError {
  try {
    return decodeFailure(bytes);
  } catch (error) {
    return asAranyaError(error, "Cannot read why the peer gave up");
  }
}
