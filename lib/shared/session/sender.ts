// SPDX-License-Identifier: Apache-2.0
/**
 * Decides what goes over a link next, one packet at a time: link control, then the rest of an envelope that had to be parted, then
 * requests and resets in turn, then streams' data in turn; the latter two within the link's budget.
 */
import type { Clock } from "../base/mod.ts";
import type { Link } from "../link/mod.ts";
import {
  AcksSchema,
  encodeEnvelope,
  encodeMessage,
  EnvelopeKind,
  toPackets,
} from "../wire/mod.ts";
import type { LinkBudget } from "./budget.ts";
import type { Point, StreamState } from "./stream_state.ts";

/** What is urgent may exceed the budget by this factor. */
const URGENT_FACTOR = 1.25;
/** A repeated envelope that was cut for a faster link is parted when it is so much larger than what is cut now. */
const PART_FACTOR = 4;
/** With so many packets of link control waiting, no PONG is added. */
const MAX_CONTROL_COUNT = 32;

/** Nothing waits longer to be acknowledged. */
const ACK_DELAY_MS = 20;
/** Bytes are acknowledged at once when they are what the link brings in this time. */
const ACK_SHARE_MS = 5;
const MIN_THRESHOLD_BYTES = 2 * 1024;
const MAX_THRESHOLD_BYTES = 128 * 1024;
/** Room for one point in a packet, generously. */
const POINT_BYTES = 64;
const MAX_POINTS = 256;

/** Options of {@linkcode Sender}. */
export interface SenderOptions {
  link: Link;
  clock: Clock;
  budget: LinkBudget;
  acks: AckBook;
  /** Gives a stream its number before its first packet is cut. */
  number: (stream: StreamState) => void;
}

/** The sending half of one link. */
export class Sender {
  readonly #options: SenderOptions;
  readonly #control: Uint8Array[] = [];
  /** Rest of what had to be parted; PARTs of two envelopes may not be mixed. */
  readonly #parts: Uint8Array[] = [];
  readonly #urgent = new Set<StreamState>();
  readonly #bulk = new Set<StreamState>();
  #stopped = false;
  #wake: (() => void) | undefined;
  #idle: (() => void) | undefined;
  #sendingSinceMs: number | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** Since when the link has not taken a packet; undefined: it is not being asked. */
  get sendingSinceMs(): number | undefined {
    return this.#sendingSinceMs;
  }

  /** Sends until stopped. @throws {AranyaError} what the link throws */
  async run(): Promise<void> {
    const { link, clock } = this.#options;
    while (!this.#stopped) {
      const packet = this.#next();
      if (!packet) {
        this.#idle?.();
        await new Promise<void>((resolve) => this.#wake = resolve);
        this.#wake = undefined;
        continue;
      }
      this.#sendingSinceMs = clock.monotonicMs();
      await link.send(packet);
      this.#sendingSinceMs = undefined;
    }
  }

  /** Ends `run`. */
  stop(): void {
    this.#stopped = true;
    this.#wake?.();
    this.#idle?.();
  }

  /** Resolves when nothing can be sent at the moment, or the sender was stopped. One caller at a time. */
  flushed(): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle = resolve;
      this.#wake?.();
    });
  }

  /** Sends a packet of link control before everything else. A peer that asks faster than it listens gets fewer PONGs. */
  control(kind: EnvelopeKind, payload: Uint8Array): void {
    const full = this.#control.length >= MAX_CONTROL_COUNT;
    if (full && kind === EnvelopeKind.PONG) return;
    const encoded = encodeControl(kind, payload);
    const { maxPacketBytes } = this.#options.link;
    const packets = toPackets(encoded, { maxPacketBytes });
    if (packets.length === 1) this.#control.push(...packets);
    else this.#parts.push(...packets);
    this.wake();
  }

  /** Looks again whether something can be sent. */
  wake(): void {
    this.#wake?.();
  }

  /** This stream may have something to send. */
  ready(stream: StreamState): void {
    const { urgency } = stream.outbox;
    if (urgency === undefined) return;
    const [queue, other] = urgency === "urgent"
      ? [this.#urgent, this.#bulk]
      : [this.#bulk, this.#urgent];
    other.delete(stream);
    queue.add(stream);
    this.#wake?.();
  }

  /** Nothing more of this stream is to be sent. */
  forget(stream: StreamState): void {
    this.#urgent.delete(stream);
    this.#bulk.delete(stream);
  }

  #next(): Uint8Array | undefined {
    const { clock, acks, budget, link } = this.#options;
    const control = this.#control.shift();
    if (control) return control;
    const ack = acks.take(clock.monotonicMs());
    if (ack) {
      this.control(EnvelopeKind.ACK, ack);
      return this.#next();
    }
    const inFlightBytes = budget.inFlightBytes;
    if (inFlightBytes >= budget.budgetBytes * URGENT_FACTOR) return undefined;
    const part = this.#parts.shift();
    if (part) return this.#count(part);
    const packet = this.#cut(this.#urgent) ??
      (inFlightBytes < budget.budgetBytes ? this.#cut(this.#bulk) : undefined);
    if (!packet) return undefined;
    const usualBytes = Math.min(link.maxPacketBytes, budget.packetBytes);
    if (
      packet.length <= link.maxPacketBytes &&
      packet.length <= usualBytes * PART_FACTOR
    ) return this.#count(packet);
    this.#parts.push(...toPackets(packet, { maxPacketBytes: usualBytes }));
    const first = this.#parts.shift();
    return first && this.#count(first);
  }

  #count(packet: Uint8Array): Uint8Array {
    this.#options.budget.sent(packet.length);
    return packet;
  }

  /** The next packet of the stream whose turn it is; it goes to the end of its line. */
  #cut(queue: Set<StreamState>): Uint8Array | undefined {
    const { budget, link, number } = this.#options;
    for (const stream of queue) {
      queue.delete(stream);
      if (stream.id === 0) number(stream);
      const packet = stream.outbox.cut(
        stream.id,
        Math.min(link.maxPacketBytes, budget.packetBytes),
      );
      if (!packet) continue;
      this.ready(stream);
      return packet;
    }
    return undefined;
  }
}

/** Bytes of an envelope of session 0. */
export function encodeControl(
  kind: EnvelopeKind,
  payload: Uint8Array,
): Uint8Array {
  return encodeEnvelope({
    kind,
    stream: 0,
    sequence: 0,
    complete: true,
    payload,
  });
}

/** What an acknowledgement is about. */
export interface Acknowledged {
  ackPoint(): Point;
}

/** What this side has to acknowledge on one link: gathered, and told together after a short while or enough bytes. */
export class AckBook {
  readonly #dirty = new Set<Acknowledged>();
  #linkBytes = 0;
  #newBytes = 0;
  #thresholdBytes = MIN_THRESHOLD_BYTES;
  #takenMs: number;
  #dueMs = Infinity;

  readonly #maxPoints: number;

  constructor(
    { nowMs, maxPacketBytes }: { nowMs: number; maxPacketBytes: number },
  ) {
    this.#takenMs = nowMs;
    this.#maxPoints = Math.max(
      1,
      Math.min(MAX_POINTS, Math.floor(maxPacketBytes / POINT_BYTES) - 1),
    );
  }

  /** When the next Acks is due; Infinity: nothing to tell. */
  get dueMs(): number {
    return this.#dueMs;
  }

  /** Bytes of sessions have come over the link. */
  received(byteCount: number, nowMs: number): void {
    this.#linkBytes += byteCount;
    this.#newBytes += byteCount;
    this.#plan(
      this.#newBytes >= this.#thresholdBytes ? nowMs : nowMs + ACK_DELAY_MS,
    );
  }

  /** This stream's point has changed. */
  note(stream: Acknowledged): void {
    this.#dirty.add(stream);
  }

  /** A credit has risen: a producer may be waiting for it. */
  creditRisen(stream: Acknowledged, nowMs: number): void {
    this.#dirty.add(stream);
    this.#plan(nowMs);
  }

  #plan(dueMs: number): void {
    this.#dueMs = Math.min(this.#dueMs, dueMs);
  }

  /** Payload of the next Acks when it is due. */
  take(nowMs: number): Uint8Array | undefined {
    if (this.#dueMs > nowMs) return undefined;
    const points: Point[] = [];
    for (const stream of this.#dirty) {
      if (points.length === this.#maxPoints) break;
      points.push(stream.ackPoint());
      this.#dirty.delete(stream);
    }
    this.#dueMs = this.#dirty.size > 0 ? nowMs : Infinity;
    const bytesPerMs = this.#newBytes / Math.max(0.1, nowMs - this.#takenMs);
    this.#thresholdBytes = Math.min(
      MAX_THRESHOLD_BYTES,
      Math.max(MIN_THRESHOLD_BYTES, bytesPerMs * ACK_SHARE_MS),
    );
    this.#newBytes = 0;
    this.#takenMs = nowMs;
    return encodeMessage(AcksSchema, {
      points,
      linkBytes: BigInt(this.#linkBytes),
    });
  }
}
