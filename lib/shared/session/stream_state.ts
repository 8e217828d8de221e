// SPDX-License-Identifier: Apache-2.0
/** One stream: its state, and both directions of its sequence space. */
import { AranyaError, asAranyaError } from "../base/mod.ts";
import {
  decodeFailure,
  encodeFailure,
  type Envelope,
  EnvelopeKind,
  INITIAL_CREDIT_BYTES,
  MAX_CHANNEL_COUNT,
  Reassembler,
} from "../wire/mod.ts";
import { type ChannelGrant, Outbox, type StreamPriority } from "./outbox.ts";

/** How far ahead of the last received envelope a peer may send on one stream, in bytes. */
const STREAM_WINDOW_BYTES = 4 * 1024 * 1024 + 64 * 1024;
/** The credit of a stream is reported in steps of this size, in bytes. */
const CREDIT_STEP_BYTES = INITIAL_CREDIT_BYTES / 4;
const MAX_FAILURE_BYTES = 64 * 1024;
/** What a peer may have sent before it has received a RESET: what it had credit for, and more. */
const MAX_DROPPED_BYTES = 2 * STREAM_WINDOW_BYTES;
/** What a dropped envelope counts of it beside its length. */
const DROPPED_COST_BYTES = 256;

/**
 * Receives the events of one stream, in order. Nothing follows after `onResultReceived`,
 * `onResultDelivered` or `onStreamFailed`.
 */
export interface StreamListener {
  /** At the acceptor: the OPEN is complete. */
  onOpenReceived?(payload: Uint8Array): void;
  /** @throws {AranyaError} the error to reset the stream with */
  onDataReceived(channel: number, bytes: Uint8Array): void;
  /** The peer sends nothing more on this channel. */
  onChannelEnded(channel: number): void;
  /** At the opener: the acceptor has finished the stream. */
  onResultReceived(payload: Uint8Array): void;
  /** At the acceptor: the peer has received everything, including the RESULT. */
  onResultDelivered(): void;
  /** The stream was reset by either side, or lost. */
  onStreamFailed(error: AranyaError): void;
  /** Credits of the channels in use. */
  readonly channelGrants: ChannelGrant[];
  /** Received and not read yet, in bytes. */
  readonly heldBytes: number;
}

/** Holds a stream among others, and receives what concerns more than this stream. */
export interface StreamOwner {
  readonly maxValueBytes: number;
  /** The OPEN is queued. */
  onStreamStarted(stream: StreamState): void;
  /** The stream may have something to send. */
  onStreamReady(stream: StreamState): void;
  /** The peer should know a channel's credit. */
  onCreditRisen(stream: StreamState): void;
  /** The stream neither sends nor receives any more. */
  onStreamClosed(stream: StreamState): void;
  /** An envelope was skipped, because only later versions know its kind. */
  onUnknownEnvelope(kind: number): void;
}

/** Fields of a StreamPoint message: how far one direction of a stream has been received. */
export interface StreamPointFields {
  stream: number;
  received: bigint;
  /** 0: unchanged. */
  credit: bigint;
  channels: { channel: number; credit: bigint }[];
}

/** Options of {@linkcode StreamState}. */
export interface StreamStateOptions {
  owner: StreamOwner;
  /** Whether this side opens the stream; the other side accepts it. */
  isOpener: boolean;
  priority: StreamPriority;
  /** 0: not known before the first packet is sent. @default 0 */
  id?: number;
}

/**
 * One stream of a session. Its state is
 *
 * - "open": both sides may send.
 * - "closing": this side has sent RESULT or RESET and waits for the acknowledgement; what the peer
 *   still sends is counted and dropped.
 * - "closed": nothing left to send or to wait for; the owner drops the stream.
 *
 * An opener is closed by the RESULT; either side by a RESET of the peer, or when the peer is lost.
 *
 * How data gets sent: whoever queues something in the outbox calls `notifySender`; the owner, a
 * `StreamTable`, passes the stream to `Sender.enqueue` of the current link, whose loop then takes
 * packets from the outbox as the link's budget allows. Without a link nothing happens until
 * `StreamTable.resume` enqueues every stream on the next one.
 */
export class StreamState {
  /** Number on the wire; 0 before the first packet is sent. */
  id: number;
  readonly isOpener: boolean;
  readonly outbox: Outbox;
  readonly #owner: StreamOwner;
  readonly #values: Reassembler;
  readonly #failures = new Reassembler({ maxBytes: MAX_FAILURE_BYTES });
  #listener: StreamListener | undefined;
  #state: "open" | "closing" | "closed" = "open";
  #received = 0;
  /** Credits that the peer knows; a channel that is absent has the initial one. */
  #reportedCredit = INITIAL_CREDIT_BYTES;
  readonly #reportedChannels = new Map<number, number>();
  #isOpenReceived = false;
  #isReset = false;
  /** Cost of what was received and dropped. */
  #droppedBytes = 0;
  #endCount = 0;

  constructor(options: StreamStateOptions) {
    this.id = options.id ?? 0;
    this.isOpener = options.isOpener;
    this.outbox = new Outbox({ priority: options.priority });
    this.#owner = options.owner;
    this.#values = new Reassembler({
      maxBytes: options.owner.maxValueBytes,
      action: options.isOpener
        ? "Cannot receive response"
        : "Cannot receive request",
    });
  }

  /** See the class. */
  get state(): "open" | "closing" | "closed" {
    return this.#state;
  }

  /** Sequence position up to which everything was received. */
  get received(): number {
    return this.#received;
  }

  /** Bytes of an incomplete value. */
  get incompleteBytes(): number {
    return this.#values.heldBytes;
  }

  /** At the acceptor: what the peer hasn't acknowledged, in bytes, and the rest of the RESULT. */
  get responseBytes(): number {
    if (this.isOpener) return 0;
    return this.outbox.resultBytes + this.outbox.unackedBytes;
  }

  /** Received and not read yet, in bytes, including an incomplete value. */
  get heldBytes(): number {
    return this.#values.heldBytes + (this.#listener?.heldBytes ?? 0);
  }

  /** Sets who receives the events from now on. Must be called before the first event. */
  setListener(listener: StreamListener): void {
    this.#listener = listener;
  }

  /** Opens the stream. `encodeOpen` is called when the first packet is made. */
  start(encodeOpen: () => Uint8Array): void {
    if (this.#state !== "open") return;
    this.outbox.queueOpen(encodeOpen);
    this.#owner.onStreamStarted(this);
  }

  /** Must be called after something was queued in the outbox; see the class. */
  notifySender(): void {
    if (this.#state !== "closed") this.#owner.onStreamReady(this);
  }

  /** Has the credit of the channels reported to the peer soon. */
  reportCredit(): void {
    if (this.#state === "open") this.#owner.onCreditRisen(this);
  }

  /**
   * Receives an envelope of this stream. A "duplicate" was received before; a "gap" means that an
   * earlier one is missing. Neither has an effect.
   * @throws {AranyaError} the error to reset the stream with
   */
  receive(envelope: Envelope): "accepted" | "duplicate" | "gap" {
    const end = envelope.sequence + 1 + envelope.payload.length;
    if (end <= this.#received) return "duplicate";
    if (envelope.sequence !== this.#received) return "gap";
    this.#received = end;
    if (this.#state !== "closed") this.#dispatch(envelope);
    return "accepted";
  }

  /**
   * Returns whether an envelope that is not received yet belongs to an answer that this side has
   * asked for: not an empty piece, nor more ENDs than there are channels, nor more than was on its
   * way when this side has reset the stream.
   */
  isAskedFor({ kind, payload, complete }: Envelope): boolean {
    if (!this.isOpener || this.#droppedBytes > MAX_DROPPED_BYTES) return false;
    switch (kind) {
      case EnvelopeKind.DATA:
      case EnvelopeKind.RESULT:
      case EnvelopeKind.RESET:
        return complete || payload.length > 0;
      case EnvelopeKind.END:
        return this.#endCount < MAX_CHANNEL_COUNT;
      default:
        return false;
    }
  }

  #dispatch({ kind, payload, complete }: Envelope): void {
    if (kind === EnvelopeKind.RESET) {
      const failure = this.#failures.push(payload, { complete });
      if (failure) this.#closeAsFailed(toStreamError(failure));
      return;
    }
    if (this.#state !== "open") {
      this.#droppedBytes += DROPPED_COST_BYTES + payload.length;
      return;
    }
    if (kind === EnvelopeKind.DATA) {
      this.#listener?.onDataReceived(payload[0] ?? 0, payload.subarray(1));
    } else if (kind === EnvelopeKind.END) {
      this.#endCount++;
      this.#listener?.onChannelEnded(payload[0] ?? 0);
    } else if (kind === EnvelopeKind.RESULT && this.isOpener) {
      const value = this.#values.push(payload, { complete });
      if (value) this.#close(() => this.#listener?.onResultReceived(value));
    } else if (
      kind === EnvelopeKind.OPEN && !this.isOpener && !this.#isOpenReceived
    ) {
      const value = this.#values.push(payload, { complete });
      this.#isOpenReceived = value !== undefined;
      if (value) this.#listener?.onOpenReceived?.(value);
    } else this.#owner.onUnknownEnvelope(kind);
  }

  /**
   * Takes in how far the peer has received.
   * @throws {AranyaError} code "invalid" when the peer acknowledges more than was sent
   */
  acknowledge(point: StreamPointFields): void {
    if (this.#state === "closed") return;
    this.outbox.acknowledge({
      received: Number(point.received),
      credit: Number(point.credit),
      channels: point.channels.map(({ channel, credit }) => ({
        channel,
        credit: Number(credit),
      })),
    });
    if (this.#state === "closing" && this.outbox.isDelivered) {
      this.#closeAsDelivered();
    } else this.#owner.onStreamReady(this);
  }

  /** At the acceptor: sends the RESULT after all that was written. */
  finish(payload: Uint8Array): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.outbox.queueResult(payload);
    this.#owner.onStreamReady(this);
  }

  /**
   * Ends both directions with this error, and sends it to the peer. Does nothing when the final
   * envelope was sent, or when the stream has failed before.
   */
  reset(error: AranyaError): void {
    if (this.#state === "closed" || this.outbox.isFinalSent) return;
    if (this.isOpener && !this.outbox.hasSent) return this.fail(error);
    if (this.#isReset) return;
    this.#isReset = true;
    this.#state = "closing";
    this.#values.clear();
    this.outbox.queueReset(encodeFailure(error), error);
    this.#listener?.onStreamFailed(error);
    this.#owner.onStreamReady(this);
  }

  /** Closes the stream with this error without telling the peer, which is lost. */
  fail(error: AranyaError): void {
    if (this.#state === "closed") return;
    this.outbox.clear(error);
    this.#closeAsFailed(error);
  }

  /**
   * The peer doesn't know this stream. If the final envelope was sent, the peer has received it and
   * dropped the stream; else the stream fails with this error.
   */
  onUnknownToPeer(error: AranyaError): void {
    if (this.#state === "closing" && this.outbox.isFinalSent) {
      this.#closeAsDelivered();
    } else this.fail(error);
  }

  #closeAsDelivered(): void {
    this.#close(() => this.#listener?.onResultDelivered());
  }

  #closeAsFailed(error: AranyaError): void {
    this.#close(() => this.#listener?.onStreamFailed(error));
  }

  #close(notifyListener: () => void): void {
    this.#state = "closed";
    notifyListener();
    this.outbox.clear(
      new AranyaError("cancelled", "Cannot write to stream: it has ended"),
    );
    this.#owner.onStreamClosed(this);
  }

  /** Returns the progress since the last report, and regards it as reported. */
  takeAckPoint(): StreamPointFields {
    const credit = this.#received + STREAM_WINDOW_BYTES;
    const isCreditDue = credit - this.#reportedCredit >= CREDIT_STEP_BYTES;
    if (isCreditDue) this.#reportedCredit = credit;
    const channels = this.#channelGrants().filter(({ channel, credit }) =>
      (this.#reportedChannels.get(channel) ?? INITIAL_CREDIT_BYTES) < credit
    );
    for (const { channel, credit } of channels) {
      this.#reportedChannels.set(channel, credit);
    }
    return this.#toPoint({ credit: isCreditDue ? credit : 0, channels });
  }

  /** Everything that the peer must know to continue on a new link. */
  get resumePoint(): StreamPointFields {
    return this.#toPoint({
      credit: this.#received + STREAM_WINDOW_BYTES,
      channels: this.#channelGrants(),
    });
  }

  #channelGrants(): ChannelGrant[] {
    return this.#listener?.channelGrants ?? [];
  }

  #toPoint(
    { credit, channels }: { credit: number; channels: ChannelGrant[] },
  ): StreamPointFields {
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

/** Decodes the error of a RESET; bytes that can't be decoded are an error as well. */
function toStreamError(failure: Uint8Array): AranyaError {
  try {
    return decodeFailure(failure);
  } catch (error) {
    return asAranyaError(error, "Cannot read the error of the peer");
  }
}
