// SPDX-License-Identifier: Apache-2.0
/** One link while a session runs on it. */
import {
  AranyaError,
  asAranyaError,
  type BytePace,
  type Clock,
  type Logger,
  waitAtMost,
} from "../base/mod.ts";
import type { Link, LinkEnd } from "../link/mod.ts";
import {
  type Acks,
  AcksSchema,
  decodeEnvelope,
  decodeMessage,
  type Envelope,
  EnvelopeKind,
  Reassembler,
  UnknownStreamsSchema,
} from "../wire/mod.ts";
import { AckScheduler, type AckSource } from "./ack_scheduler.ts";
import { LinkBudget } from "./budget.ts";
import { Sender, type StreamNumbering } from "./sender.ts";
import {
  closeWithGoodbye,
  decodeGoodbye,
  encodeGoodbye,
  type GoodbyeContent,
} from "./goodbye.ts";
import { DeadlineTimer } from "./timer.ts";
import { UnknownStreams } from "./unknown_streams.ts";

/**
 * Part of the allowed silence after which a PING is sent. That of the agent comes first, and spares
 * the operator's.
 */
const PING_SHARE = { agent: 1 / 3, operator: 1 / 2 };
/** A timer that fires this late shows that this process was stalled, in milliseconds. */
const STALL_MS = 2_000;
/** How long packets are read that arrived before the link broke, in milliseconds. */
const DRAIN_MS = 1_000;
/**
 * How long `endWithGoodbye` waits until the GOODBYE is sent and the peer has read it, in
 * milliseconds.
 */
const GOODBYE_MS = 500;
/** Length of the payload of PING and PONG, in bytes. */
const PING_BYTES = 8;
/** Upper bound of a delay by the pace, as a share of `offlineAfterMs`. */
const MAX_DELAY_SHARE = 0.25;
/** What a packet costs of the pace beside its length: empty ones need time, too. */
const PACKET_COST_BYTES = 1024;
/** What a field of an ACK costs of the pace, however short it is encoded. */
const FIELD_COST_BYTES = 64;
/**
 * What of an ACK is free for each packet that it acknowledges: the peer may send one for each, with
 * the eight fields of a stream that uses one channel.
 */
const ACKED_PACKET_BYTES = PACKET_COST_BYTES + 8 * FIELD_COST_BYTES;
/** Upper bound of the fields of an ACK: enough for 256 streams with all their channels. */
const MAX_ACK_FIELD_COUNT = 16_384;

/** Receives the envelopes and reports that concern streams. */
export interface StreamReceiver {
  /**
   * Returns whether this side has asked for it: it is new, on a stream that this side opened.
   * @throws {AranyaError} when the link can't be used any more
   */
  onEnvelopeReceived(envelope: Envelope): boolean;
  /**
   * A PART was kept, see {@linkcode RunningLink.incompleteBytes}.
   * @throws {AranyaError} when that is too much
   */
  onPartKept(): void;
  /** @throws {AranyaError} when the link can't be used any more */
  onAcksReceived(acks: Acks): void;
  /** The peer doesn't know these streams. */
  onUnknownStreamsReceived(ids: readonly number[]): void;
}

/** Options of {@linkcode RunningLink}. */
export interface RunningLinkOptions {
  link: Link;
  side: "operator" | "agent";
  clock: Clock;
  log: Logger;
  /** The link is given up after this much silence, in milliseconds. */
  offlineAfterMs: number;
  maxValueBytes: number;
  streams: StreamReceiver & StreamNumbering;
  /** Slows down what the peer sends without being asked. @default it is read at once */
  pace?: BytePace | undefined;
  /** The peer is slowed down. */
  onDelayed: () => void;
  /** The peer ends the link on purpose. */
  onGoodbye: (goodbye: GoodbyeContent) => void;
}

/**
 * Reads and dispatches the packets of a link, runs its sender, and decides when the link is dead.
 * Any received packet is a sign of life; after some silence a PING asks for one. A link that
 * doesn't accept a packet for the allowed time is as dead as one that delivers none.
 */
export class RunningLink {
  readonly sender: Sender;
  readonly budget: LinkBudget;
  readonly acks: AckScheduler;
  readonly #options: RunningLinkOptions;
  readonly #timer: DeadlineTimer;
  readonly #parts: Reassembler;
  readonly #unknownStreams = new UnknownStreams();
  readonly #ended = Promise.withResolvers<LinkEnd>();
  /** Aborted when nothing is read any more. */
  readonly #reading = new AbortController();
  #active = true;
  #isViolated = false;
  /** Set when the link broke: what has arrived is read until the deadline. */
  #draining: { end: LinkEnd; dueMs: number } | undefined;
  #receivedMs: number;
  #pingSentMs = -Infinity;
  #pingRoundTripMs = Infinity;

  constructor(options: RunningLinkOptions) {
    const { link, clock, streams, maxValueBytes } = options;
    const { maxPacketBytes } = link;
    const nowMs = clock.monotonicMs();
    this.#options = options;
    this.#receivedMs = nowMs;
    this.budget = new LinkBudget(clock);
    this.acks = new AckScheduler({ nowMs, maxPacketBytes });
    this.sender = new Sender({
      link,
      clock,
      budget: this.budget,
      controlSources: [
        {
          kind: EnvelopeKind.ACK,
          take: () => this.acks.takeDueAck(clock.monotonicMs()),
        },
        {
          kind: EnvelopeKind.UNKNOWN_STREAMS,
          take: () => this.#unknownStreams.takeReport(),
        },
      ],
      numbering: streams,
    });
    this.#parts = new Reassembler({ maxBytes: maxValueBytes });
    this.#timer = new DeadlineTimer({
      clock,
      onDue: (lateMs) => this.#checkDeadlines(lateMs),
    });
  }

  /** Lowest known round-trip time, in milliseconds; 0 if it is unknown. */
  get roundTripMs(): number {
    const measuredMs = this.budget.roundTripMs || Infinity;
    const lowestMs = Math.min(measuredMs, this.#pingRoundTripMs);
    return lowestMs === Infinity ? 0 : lowestMs;
  }

  /** Bytes of an envelope whose last PART is missing. */
  get incompleteBytes(): number {
    return this.#parts.heldBytes;
  }

  /** Whether the link ended because the peer broke the protocol, or the two sides disagree. */
  get isViolated(): boolean {
    return this.#isViolated;
  }

  /** Resolves when the link has ended. */
  get ended(): Promise<LinkEnd> {
    return this.#ended.promise;
  }

  /**
   * Calls `begin` and runs until the link ends or `end` is called. Never rejects: an error, also of
   * `begin`, ends the link, and the peer is notified if that is possible.
   */
  async run(begin: () => void): Promise<LinkEnd> {
    const { link, clock } = this.#options;
    try {
      begin();
    } catch (error) {
      this.#endViolated(error);
    }
    this.#sendPing();
    this.#checkDeadlines(0);
    this.sender.run().catch((error) => this.#drain(this.#toEnd(error)));
    this.#readPackets().catch((error) => this.#endViolated(error));
    link.closed.then((end) => this.#drain(end));
    const end = await this.#ended.promise;
    const { error } = end;
    if (error === undefined || error.code === "timed_out") {
      link.close(end.reason);
    } else await closeWithGoodbye(link, { reason: error.message, clock });
    return end;
  }

  #toEnd(error: unknown): LinkEnd {
    const action = `Cannot use link to ${this.#options.link.peer}`;
    return { reason: "the link failed", error: asAranyaError(error, action) };
  }

  #endViolated(error: unknown): void {
    if (this.#active) this.#isViolated = true;
    this.end(this.#toEnd(error));
  }

  /** Ends the link. Only the first call of `end` or `endWithGoodbye` counts. */
  end(end: LinkEnd): void {
    if (!this.#deactivate()) return;
    this.sender.stop();
    this.#ended.resolve(end);
  }

  /**
   * Ends the link on purpose: sends the peer a GOODBYE as the last packet, and ignores what it
   * still sends. Only the first call of `end` or `endWithGoodbye` counts.
   */
  endWithGoodbye(goodbye: GoodbyeContent): void {
    if (!this.#deactivate()) return;
    const { link, clock } = this.#options;
    const { reason } = goodbye;
    const closed = this.sender.sendLast(
      EnvelopeKind.GOODBYE,
      encodeGoodbye(goodbye),
    )
      // The peer closes the link when it has read the GOODBYE.
      .then(() => link.closed);
    void waitAtMost(closed, { timeoutMs: GOODBYE_MS, clock }).then(() => {
      this.sender.stop();
      this.#ended.resolve({ reason });
    });
  }

  /** Stops to receive. Returns false when the link has ended already. */
  #deactivate(): boolean {
    if (!this.#active) return false;
    this.#active = false;
    this.#reading.abort();
    this.#timer.stop();
    return true;
  }

  /** Stops sending, and reads what has arrived before the link broke: a GOODBYE may be in it. */
  #drain(end: LinkEnd): void {
    if (this.#draining || !this.#active) return;
    const dueMs = this.#options.clock.monotonicMs() + DRAIN_MS;
    this.#draining = { end, dueMs };
    this.sender.stop();
    this.#timer.schedule(dueMs);
  }

  /** Reports to the peer that this side doesn't know a stream, once. */
  reportUnknownStream(id: number): void {
    if (this.#unknownStreams.add(id)) this.sender.notify();
  }

  /** Reports the risen credit of a stream to the peer. */
  onCreditRisen(stream: AckSource): void {
    this.acks.onCreditRisen(stream, this.#options.clock.monotonicMs());
    this.#scheduleAck();
  }

  #scheduleAck(): void {
    const { dueMs } = this.acks;
    if (dueMs <= this.#options.clock.monotonicMs()) this.sender.notify();
    else this.#timer.schedule(dueMs);
  }

  async #readPackets(): Promise<void> {
    const { link, clock } = this.#options;
    // Not `for await`: leaving it would end an iterator that belongs to the link.
    const packets = link.packets[Symbol.asyncIterator]();
    for (;;) {
      const { done, value } = await packets.next();
      if (!this.#active) return;
      if (done) break;
      this.#receivedMs = clock.monotonicMs();
      const costBytes = this.#onPacketReceived(value);
      if (costBytes > 0) await this.#keepPace(costBytes);
    }
    this.end(this.#draining?.end ?? await link.closed);
  }

  /** Waits when the peer has sent too much; meanwhile the transport makes the peer wait, too. */
  async #keepPace(costBytes: number): Promise<void> {
    const { pace, clock, offlineAfterMs, onDelayed } = this.#options;
    if (!pace) return;
    pace.charge(costBytes);
    const { delayMs } = pace;
    if (delayMs === 0) return;
    onDelayed();
    // A PING behind it is read before the peer takes this side to be offline.
    const maxDelayMs = offlineAfterMs * MAX_DELAY_SHARE;
    const { signal } = this.#reading;
    // Rejects only when the link ends.
    await clock.sleep(Math.min(delayMs, maxDelayMs), { signal })
      .catch(() => {});
  }

  /** Returns what the packet costs of the pace: nothing if this side has asked for it. */
  #onPacketReceived(packet: Uint8Array): number {
    const costBytes = PACKET_COST_BYTES + packet.length;
    const envelope = decodeEnvelope(packet);
    const isPart = envelope.kind === EnvelopeKind.PART && envelope.stream === 0;
    if (envelope.stream === 0 && !isPart) {
      return Math.max(0, costBytes + this.#onControl(envelope));
    }
    this.acks.onPacketReceived(packet.length, this.#receivedMs);
    let isAskedFor = false;
    if (isPart) this.#onPart(envelope);
    else isAskedFor = this.#options.streams.onEnvelopeReceived(envelope);
    this.#scheduleAck();
    return isAskedFor ? 0 : costBytes;
  }

  #onPart({ payload, complete }: Envelope): void {
    const { streams } = this.#options;
    const encoded = this.#parts.push(payload, { complete });
    if (!encoded) return streams.onPartKept();
    const envelope = decodeEnvelope(encoded);
    if (envelope.stream === 0) this.#onControl(envelope);
    else streams.onEnvelopeReceived(envelope);
  }

  /**
   * Handles link control. Returns what it costs of the pace beside the packet: less than nothing
   * for an ACK of what this side has sent.
   */
  #onControl({ kind, payload }: Envelope): number {
    const { streams, onGoodbye, log, clock } = this.#options;
    switch (kind) {
      case EnvelopeKind.PING:
        if (payload.length === PING_BYTES) {
          this.sender.sendControl(EnvelopeKind.PONG, payload);
        }
        break;
      case EnvelopeKind.PONG:
        this.#onPong(payload, clock.monotonicMs());
        break;
      case EnvelopeKind.ACK:
        return this.#onAck(payload);
      case EnvelopeKind.UNKNOWN_STREAMS: {
        const { streams: ids } = decodeMessage(UnknownStreamsSchema, payload);
        streams.onUnknownStreamsReceived(ids);
        break;
      }
      case EnvelopeKind.GOODBYE:
        onGoodbye(decodeGoodbye(payload));
        break;
      default:
        log.debug("unknown kind of link control skipped", { kind });
    }
    return 0;
  }

  /** As `#onControl`, for an ACK. */
  #onAck(payload: Uint8Array): number {
    let fieldCount = 0;
    const acks = decodeMessage(AcksSchema, payload, {
      maxFieldCount: MAX_ACK_FIELD_COUNT,
      onCounted: (count) => fieldCount = count,
    });
    const { byteCount, packetCount } = this.budget.onAcknowledged(
      Number(acks.linkBytes),
    );
    this.#options.streams.onAcksReceived(acks);
    this.sender.notify();
    return FIELD_COST_BYTES * fieldCount - byteCount -
      ACKED_PACKET_BYTES * packetCount;
  }

  /** Sends a PING whose payload is the time of sending; the peer returns it unchanged. */
  #sendPing(): void {
    this.#pingSentMs = this.#options.clock.monotonicMs();
    const payload = new Uint8Array(PING_BYTES);
    new DataView(payload.buffer).setFloat64(0, this.#pingSentMs);
    this.sender.sendControl(EnvelopeKind.PING, payload);
  }

  #onPong(payload: Uint8Array, nowMs: number): void {
    if (payload.length !== PING_BYTES) return;
    const view = new DataView(payload.buffer, payload.byteOffset, PING_BYTES);
    const tripMs = nowMs - view.getFloat64(0);
    if (tripMs < 0) return;
    this.#pingRoundTripMs = Math.min(this.#pingRoundTripMs, tripMs);
  }

  /** Checks every deadline of the link, and schedules the next check. */
  #checkDeadlines(lateMs: number): void {
    if (!this.#active) return;
    const { clock, offlineAfterMs, side } = this.#options;
    const nowMs = clock.monotonicMs();
    const pingMs = offlineAfterMs * PING_SHARE[side];
    if (this.#draining && this.#draining.dueMs <= nowMs) {
      return this.end(this.#draining.end);
    }
    if (lateMs > STALL_MS) {
      // This process was stalled, so packets of the peer may be unread: wait one more interval.
      const earliestMs = nowMs - offlineAfterMs + pingMs;
      this.#receivedMs = Math.max(this.#receivedMs, earliestMs);
    }
    this.#scheduleAck();
    const silenceMs = nowMs - this.#receivedMs;
    const sendingSinceMs = this.sender.sendingSinceMs ?? nowMs;
    if (silenceMs >= offlineAfterMs) {
      return this.#giveUp(`no packet received for ${offlineAfterMs} ms`);
    }
    if (nowMs - sendingSinceMs >= offlineAfterMs) {
      return this.#giveUp(`no packet accepted for ${offlineAfterMs} ms`);
    }
    const sincePingMs = nowMs - this.#pingSentMs;
    if (silenceMs >= pingMs && sincePingMs >= pingMs) this.#sendPing();
    this.#timer.schedule(Math.min(
      this.#draining?.dueMs ?? Infinity,
      Math.max(this.#receivedMs, this.#pingSentMs) + pingMs,
      this.#receivedMs + offlineAfterMs,
      sendingSinceMs + offlineAfterMs,
    ));
  }

  #giveUp(reason: string): void {
    const { peer } = this.#options.link;
    const message = `Cannot use link to ${peer}: ${reason}`;
    this.end({ reason, error: new AranyaError("timed_out", message) });
  }
}
