// SPDX-License-Identifier: Apache-2.0
/**
 * One link while a session runs on it: reads and dispatches packets, keeps the sender going, acknowledges, and judges whether the
 * other end is alive. Any packet is a sign of life; after a part of the time allowed without one a PING asks for it. A link that
 * does not take a packet for the whole time is as dead as one that brings none.
 */
import {
  AranyaError,
  asAranyaError,
  type Clock,
  type Logger,
} from "../base/mod.ts";
import type { Link, LinkEnd } from "../link/mod.ts";
import {
  type Acks,
  AcksSchema,
  decodeEnvelope,
  decodeMessage,
  type Envelope,
  EnvelopeKind,
  type Goodbye,
  GoodbyeSchema,
  Reassembler,
  UnknownStreamsSchema,
} from "../wire/mod.ts";
import { type Alarm, createAlarm } from "./timer.ts";
import { LinkBudget } from "./budget.ts";
import type { StreamState } from "./stream_state.ts";
import { AckBook, Sender } from "./sender.ts";

/** Share of the silence allowed after which a PING is sent. The agent asks first, and its asking spares the operator's. */
const PING_SHARE = { agent: 1 / 3, operator: 1 / 2 };
/** A timer so late says that this process stood still, not the peer. */
const STALL_MS = 2_000;
/** Time for reading what a link brought before it ended. */
const DRAIN_MS = 1_000;

/** What a running link tells its session. */
export interface RunningLinkEvents {
  /** An envelope of a stream. @throws {AranyaError} when the link can't be trusted any more */
  envelope(envelope: Envelope): void;
  acks(acks: Acks): void;
  gone(sessions: readonly number[]): void;
  goodbye(goodbye: Goodbye): void;
  number(stream: StreamState): void;
}

/** Options of {@linkcode RunningLink}. */
export interface RunningLinkOptions {
  link: Link;
  side: "operator" | "agent";
  clock: Clock;
  log: Logger;
  offlineAfterMs: number;
  maxValueBytes: number;
  events: RunningLinkEvents;
}

/** See the top of this file. */
export class RunningLink {
  readonly sender: Sender;
  readonly budget: LinkBudget;
  readonly acks: AckBook;
  readonly #options: RunningLinkOptions;
  readonly #alarm: Alarm;
  readonly #parts;
  readonly #ended = Promise.withResolvers<LinkEnd>();
  #active = true;
  #broken: { end: LinkEnd; dueMs: number } | undefined;
  #receivedMs: number;
  #pingedMs = -Infinity;
  #pingTripMs = Infinity;

  constructor(options: RunningLinkOptions) {
    const { link, clock, events } = options;
    const nowMs = clock.monotonicMs();
    this.#options = options;
    this.#receivedMs = nowMs;
    this.budget = new LinkBudget(clock);
    const { maxPacketBytes } = link;
    this.acks = new AckBook({ nowMs, maxPacketBytes });
    this.sender = new Sender({
      link,
      clock,
      budget: this.budget,
      acks: this.acks,
      number: events.number,
    });
    this.#parts = new Reassembler({ maxBytes: options.maxValueBytes });
    this.#alarm = createAlarm({ clock, ring: (lateMs) => this.#ring(lateMs) });
  }

  /** Shortest round trip known, in milliseconds; 0: none yet. */
  get roundTripMs(): number {
    const trip = this.budget.roundTripMs || Infinity;
    const shortest = Math.min(trip, this.#pingTripMs);
    return shortest === Infinity ? 0 : shortest;
  }

  /** Runs until the link ends or `end` is called, after `begin`, which may find fault with it; never rejects. */
  async run(begin: () => void): Promise<LinkEnd> {
    const { link } = this.#options;
    const failed = (error: unknown) => {
      const action = `Cannot use link to ${link.peer}`;
      const reason = "the link broke";
      return { reason, error: asAranyaError(error, action) };
    };
    try {
      begin();
    } catch (error) {
      this.end(failed(error));
    }
    this.#ping();
    this.#ring(0);
    this.sender.run().catch((error) => this.#breakOff(failed(error)));
    this.#read().catch((error) => this.end(failed(error)));
    link.closed.then((end) => this.#breakOff(end));
    const end = await this.#ended.promise;
    link.close(end.reason);
    return end;
  }

  /** Resolves when it has ended. */
  get ended(): Promise<LinkEnd> {
    return this.#ended.promise;
  }

  /** Ends the link; the first call counts. */
  end(end: LinkEnd): void {
    if (!this.#active) return;
    this.#active = false;
    this.#alarm.stop();
    this.sender.stop();
    this.#ended.resolve(end);
  }

  /** The link is at its end: what has come already is read before ours, a last word may be in it. */
  #breakOff(end: LinkEnd): void {
    if (this.#broken || !this.#active) return;
    const sinceMs = this.#options.clock.monotonicMs();
    this.#broken = { end, dueMs: sinceMs + DRAIN_MS };
    this.sender.stop();
    this.#alarm.at(this.#broken.dueMs);
  }

  /** Plans the next acknowledgement. */
  planAck(): void {
    const { dueMs } = this.acks;
    if (dueMs <= this.#options.clock.monotonicMs()) this.sender.wake();
    else this.#alarm.at(dueMs);
  }

  async #read(): Promise<void> {
    const { link, clock } = this.#options;
    // Not `for await`: leaving it would end an iterator that the link still owns.
    const packets = link.packets[Symbol.asyncIterator]();
    for (;;) {
      const { done, value } = await packets.next();
      if (!this.#active) return;
      if (done) break;
      this.#receivedMs = clock.monotonicMs();
      this.#take(value);
    }
    this.end(this.#broken?.end ?? await link.closed);
  }

  #take(packet: Uint8Array): void {
    const envelope = decodeEnvelope(packet);
    if (envelope.stream !== 0) {
      this.acks.received(packet.length, this.#receivedMs);
      this.#options.events.envelope(envelope);
      this.planAck();
    } else if (envelope.kind === EnvelopeKind.PART) {
      this.acks.received(packet.length, this.#receivedMs);
      const { complete, payload } = envelope;
      const whole = this.#parts.push(payload, { complete });
      if (whole) this.#takeJoined(decodeEnvelope(whole));
      this.planAck();
    } else this.#control(envelope);
  }

  #takeJoined(envelope: Envelope): void {
    if (envelope.stream !== 0) this.#options.events.envelope(envelope);
    else this.#control(envelope);
  }

  #control({ kind, payload }: Envelope): void {
    const { events, log, clock } = this.#options;
    switch (kind) {
      case EnvelopeKind.PING:
        return this.sender.control(EnvelopeKind.PONG, payload);
      case EnvelopeKind.PONG:
        return this.#pong(payload, clock.monotonicMs());
      case EnvelopeKind.ACK: {
        const acks = decodeMessage(AcksSchema, payload);
        this.budget.acknowledged(Number(acks.linkBytes));
        events.acks(acks);
        return this.sender.wake();
      }
      case EnvelopeKind.UNKNOWN_STREAMS:
        return events.gone(
          decodeMessage(UnknownStreamsSchema, payload).streams,
        );
      case EnvelopeKind.GOODBYE:
        return events.goodbye(decodeMessage(GoodbyeSchema, payload));
      default:
        log.debug("unknown kind of packet skipped", { count: kind });
    }
  }

  #ping(): void {
    this.#pingedMs = this.#options.clock.monotonicMs();
    const payload = new Uint8Array(8);
    new DataView(payload.buffer).setFloat64(0, this.#pingedMs);
    this.sender.control(EnvelopeKind.PING, payload);
  }

  #pong(payload: Uint8Array, nowMs: number): void {
    if (payload.length !== 8) return;
    const view = new DataView(payload.buffer, payload.byteOffset, 8);
    const tripMs = nowMs - view.getFloat64(0);
    if (tripMs >= 0) this.#pingTripMs = Math.min(this.#pingTripMs, tripMs);
  }

  /** Looks at everything that has a time, and plans the next look. */
  #ring(lateMs: number): void {
    if (!this.#active) return;
    const { clock, offlineAfterMs, side } = this.#options;
    const nowMs = clock.monotonicMs();
    const pingMs = offlineAfterMs * PING_SHARE[side];
    if (this.#broken && this.#broken.dueMs <= nowMs) {
      return this.end(this.#broken.end);
    }
    if (lateMs > STALL_MS) {
      // This process was held up: what the peer sent meanwhile may lie unread. It gets one more interval.
      this.#receivedMs = Math.max(
        this.#receivedMs,
        nowMs - offlineAfterMs + pingMs,
      );
    }
    if (this.acks.dueMs <= nowMs) this.sender.wake();
    else this.#alarm.at(this.acks.dueMs);
    const silenceMs = nowMs - this.#receivedMs;
    const sendingSinceMs = this.sender.sendingSinceMs ?? nowMs;
    if (silenceMs >= offlineAfterMs) return this.#giveUp("sent nothing");
    if (nowMs - sendingSinceMs >= offlineAfterMs) {
      return this.#giveUp("took nothing");
    }
    if (silenceMs >= pingMs && nowMs - this.#pingedMs >= pingMs) this.#ping();
    this.#alarm.at(Math.min(
      this.#broken?.dueMs ?? Infinity,
      Math.max(this.#receivedMs, this.#pingedMs) + pingMs,
      this.#receivedMs + offlineAfterMs,
      sendingSinceMs + offlineAfterMs,
    ));
  }

  #giveUp(what: string): void {
    const { link, offlineAfterMs } = this.#options;
    const reason = `the other end ${what} for ${offlineAfterMs} ms`;
    this.end({
      reason,
      error: new AranyaError(
        "timed_out",
        `Cannot use link to ${link.peer}: ${reason}`,
      ),
    });
  }
}
