// SPDX-License-Identifier: Apache-2.0
/** The sending half of a link: chooses the next packet. */
import { type Clock, Notifier } from "../base/mod.ts";
import type { Link } from "../link/mod.ts";
import { encodeControl, EnvelopeKind, toPackets } from "../wire/mod.ts";
import type { AckScheduler } from "./ack_scheduler.ts";
import type { LinkBudget } from "./budget.ts";
import type { StreamState } from "./stream_state.ts";

/** Packets of high priority may exceed the link's budget by this factor. */
const HIGH_PRIORITY_FACTOR = 1.25;
/**
 * An envelope that is repeated was cut for an earlier link. It is split when it is larger than what
 * is cut for the current link by this factor.
 */
const SPLIT_FACTOR = 4;
/** With this many packets of link control waiting, PINGs are no longer answered. */
const MAX_CONTROL_COUNT = 32;

/** Assigns numbers to streams. */
export interface StreamNumbering {
  /** Sets the id of a stream that is about to send its first packet. */
  assignId(stream: StreamState): void;
}

/** Options of {@linkcode Sender}. */
export interface SenderOptions {
  link: Link;
  clock: Clock;
  budget: LinkBudget;
  acks: AckScheduler;
  numbering: StreamNumbering;
}

/**
 * Sends packets over one link, in this order of precedence:
 *
 * 1. link control, with acknowledgements that are due;
 * 2. the remaining PARTs of an envelope that was split;
 * 3. streams of high priority (requests and resets), by round robin;
 * 4. streams of normal priority, by round robin.
 *
 * 2 to 4 are limited by the budget of the link.
 */
export class Sender {
  readonly #options: SenderOptions;
  readonly #notifier = new Notifier();
  readonly #control: Uint8Array[] = [];
  /** The rest of a split envelope. Its PARTs must not be interleaved with those of another one. */
  readonly #parts: Uint8Array[] = [];
  readonly #highPriority = new Set<StreamState>();
  readonly #normalPriority = new Set<StreamState>();
  #stopped = false;
  #sendingSinceMs: number | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** Since when the link hasn't accepted the current packet; undefined if none is being sent. */
  get sendingSinceMs(): number | undefined {
    return this.#sendingSinceMs;
  }

  /** Sends until `stop` is called. @throws {AranyaError} what the link throws */
  async run(): Promise<void> {
    const { link, clock } = this.#options;
    while (!this.#stopped) {
      const packet = this.#nextPacket();
      if (!packet) {
        await this.#notifier.wait();
        continue;
      }
      this.#sendingSinceMs = clock.monotonicMs();
      await link.send(packet);
      this.#sendingSinceMs = undefined;
    }
  }

  /** Ends `run` after the current packet. */
  stop(): void {
    this.#stopped = true;
    this.#notifier.notify();
  }

  /** Checks again whether a packet can be sent, e.g. because the budget has grown. */
  notify(): void {
    this.#notifier.notify();
  }

  /**
   * Queues link control. A PONG is dropped when too many wait already: the peer sends PINGs faster
   * than it reads.
   */
  sendControl(kind: EnvelopeKind, payload: Uint8Array): void {
    const isFull = this.#control.length >= MAX_CONTROL_COUNT;
    if (isFull && kind === EnvelopeKind.PONG) return;
    const { maxPacketBytes } = this.#options.link;
    const packets = toPackets(encodeControl(kind, payload), { maxPacketBytes });
    if (packets.length === 1) this.#control.push(...packets);
    else this.#parts.push(...packets);
    this.#notifier.notify();
  }

  /**
   * Queues a stream by its current priority; does nothing if it can't send at the moment. A stream
   * that is queued already keeps its place.
   */
  enqueue(stream: StreamState): void {
    const { priority } = stream.outbox;
    if (priority === undefined) return;
    const isHigh = priority === "high";
    (isHigh ? this.#normalPriority : this.#highPriority).delete(stream);
    (isHigh ? this.#highPriority : this.#normalPriority).add(stream);
    this.#notifier.notify();
  }

  /** Removes a stream from the queues. */
  remove(stream: StreamState): void {
    this.#highPriority.delete(stream);
    this.#normalPriority.delete(stream);
  }

  #nextPacket(): Uint8Array | undefined {
    const { clock, acks, budget } = this.#options;
    const control = this.#control.shift();
    if (control) return control;
    const ack = acks.takeDueAck(clock.monotonicMs());
    if (ack) {
      this.sendControl(EnvelopeKind.ACK, ack);
      return this.#nextPacket();
    }
    const packet = this.#nextStreamPacket();
    if (packet) budget.onPacketSent(packet.length);
    return packet;
  }

  #nextStreamPacket(): Uint8Array | undefined {
    const { budget, link } = this.#options;
    const { inFlightBytes, budgetBytes } = budget;
    if (inFlightBytes >= budgetBytes * HIGH_PRIORITY_FACTOR) return undefined;
    const part = this.#parts.shift();
    if (part) return part;
    let packet = this.#takePacket(this.#highPriority);
    if (!packet && inFlightBytes < budgetBytes) {
      packet = this.#takePacket(this.#normalPriority);
    }
    if (!packet) return undefined;
    const usualBytes = Math.min(link.maxPacketBytes, budget.packetBytes);
    const maxBytes = Math.min(link.maxPacketBytes, usualBytes * SPLIT_FACTOR);
    if (packet.length <= maxBytes) return packet;
    this.#parts.push(...toPackets(packet, { maxPacketBytes: usualBytes }));
    return this.#parts.shift();
  }

  /**
   * Takes a packet of the stream whose turn it is; the stream then goes to the end of its queue.
   */
  #takePacket(queue: Set<StreamState>): Uint8Array | undefined {
    const { budget, link, numbering } = this.#options;
    for (const stream of queue) {
      queue.delete(stream);
      if (stream.id === 0) numbering.assignId(stream);
      const maxBytes = Math.min(link.maxPacketBytes, budget.packetBytes);
      const packet = stream.outbox.takePacket(stream.id, maxBytes);
      if (!packet) continue;
      this.enqueue(stream);
      return packet;
    }
    return undefined;
  }
}
