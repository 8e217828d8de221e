// SPDX-License-Identifier: Apache-2.0
/** The sending half of a link: chooses the next packet. */
import { type Clock, Notifier } from "../base/mod.ts";
import type { Link } from "../link/mod.ts";
import { encodeControl, EnvelopeKind, toPackets } from "../wire/mod.ts";
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

/** Link control that is made when there is room for it, so that a slow peer costs nothing. */
export interface ControlSource {
  readonly kind: EnvelopeKind;
  /** Returns the next payload; undefined if there is none at the moment. */
  take(): Uint8Array | undefined;
}

/** Options of {@linkcode Sender}. */
export interface SenderOptions {
  link: Link;
  clock: Clock;
  budget: LinkBudget;
  /** In the order of their precedence. */
  controlSources: readonly ControlSource[];
  numbering: StreamNumbering;
}

/** An envelope that was split. */
interface SplitEnvelope {
  /** Its stream, which sends nothing else until then; absent for link control. */
  stream?: StreamState;
  /** The PARTs that are not sent yet. */
  parts: Uint8Array[];
}

/**
 * Sends packets over one link, in this order of precedence:
 *
 * 1. link control, then what its sources have;
 * 2. streams of high priority (requests and resets), by round robin, in turn with the remaining
 *    PARTs of an envelope that was split;
 * 3. streams of normal priority, by round robin.
 *
 * 2 and 3 are limited by the budget of the link.
 */
export class Sender {
  readonly #options: SenderOptions;
  readonly #notifier = new Notifier();
  readonly #control: Uint8Array[] = [];
  /** PARTs of one envelope are sent before those of the next one. */
  readonly #splits: SplitEnvelope[] = [];
  /** Whether a PART was sent last, so that a stream of high priority is next. */
  #wasPart = false;
  readonly #highPriority = new Set<StreamState>();
  readonly #normalPriority = new Set<StreamState>();
  #state: "running" | "leaving" | "stopped" = "running";
  readonly #stopped = Promise.withResolvers<void>();
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
    try {
      while (this.#state !== "stopped") {
        const packet = this.#nextPacket();
        if (packet) {
          this.#sendingSinceMs = clock.monotonicMs();
          await link.send(packet);
          this.#sendingSinceMs = undefined;
        } else if (this.#state === "leaving") return;
        else await this.#notifier.wait();
      }
    } finally {
      this.#stopped.resolve();
    }
  }

  /** Ends `run` after the current packet. */
  stop(): void {
    this.#state = "stopped";
    this.#notifier.notify();
  }

  /**
   * Sends link control as the last packets; streams send nothing more. Resolves when the link has
   * accepted it, or has ended.
   */
  sendLast(kind: EnvelopeKind, payload: Uint8Array): Promise<void> {
    if (this.#state === "running") {
      this.sendControl(kind, payload);
      this.#state = "leaving";
    }
    return this.#stopped.promise;
  }

  /** Checks again whether a packet can be sent, e.g. because the budget has grown. */
  notify(): void {
    this.#notifier.notify();
  }

  /**
   * Queues link control. A PONG is dropped when too many packets wait already: the peer sends PINGs
   * faster than it reads.
   */
  sendControl(kind: EnvelopeKind, payload: Uint8Array): void {
    const isFull = this.#control.length >= MAX_CONTROL_COUNT;
    if (isFull && kind === EnvelopeKind.PONG) return;
    const { maxPacketBytes } = this.#options.link;
    const packets = toPackets(encodeControl(kind, payload), { maxPacketBytes });
    if (packets.length === 1) this.#control.push(...packets);
    else this.#splits.push({ parts: packets });
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
    const control = this.#control.shift();
    if (control) return control;
    if (this.#state === "leaving") return this.#takePart();
    for (const source of this.#options.controlSources) {
      const payload = source.take();
      if (!payload) continue;
      this.sendControl(source.kind, payload);
      return this.#nextPacket();
    }
    const packet = this.#nextStreamPacket();
    if (packet) this.#options.budget.onPacketSent(packet.length);
    return packet;
  }

  #nextStreamPacket(): Uint8Array | undefined {
    const { inFlightBytes, budgetBytes } = this.#options.budget;
    if (inFlightBytes >= budgetBytes * HIGH_PRIORITY_FACTOR) return undefined;
    const hasBudget = inFlightBytes < budgetBytes;
    const part = hasBudget && !this.#wasPart ? this.#takePart() : undefined;
    this.#wasPart = part !== undefined;
    const packet = part ?? this.#takePacket(this.#highPriority);
    if (packet || !hasBudget) return packet;
    return this.#takePart() ?? this.#takePacket(this.#normalPriority);
  }

  #takePart(): Uint8Array | undefined {
    const [split] = this.#splits;
    const part = split?.parts.shift();
    if (split?.parts.length === 0) {
      this.#splits.shift();
      if (split.stream) this.enqueue(split.stream);
    }
    return part;
  }

  /**
   * Takes a packet of the stream whose turn it is; the stream then goes to the end of its queue. A
   * packet that is too large for the link is split, and its first PART returned when its turn is.
   */
  #takePacket(queue: Set<StreamState>): Uint8Array | undefined {
    const { budget, link, numbering } = this.#options;
    const usualBytes = Math.min(link.maxPacketBytes, budget.packetBytes);
    const maxBytes = Math.min(link.maxPacketBytes, usualBytes * SPLIT_FACTOR);
    for (const stream of queue) {
      queue.delete(stream);
      if (this.#splits.some((split) => split.stream === stream)) continue;
      if (stream.id === 0) numbering.assignId(stream);
      const packet = stream.outbox.takePacket(stream.id, usualBytes);
      if (!packet) continue;
      if (packet.length > maxBytes) {
        const parts = toPackets(packet, { maxPacketBytes: usualBytes });
        this.#splits.push({ stream, parts });
        return this.#takePart();
      }
      this.enqueue(stream);
      return packet;
    }
    return undefined;
  }
}
