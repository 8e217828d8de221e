// SPDX-License-Identifier: Apache-2.0
/** The conversations of one session: their numbers, which packet belongs to which, and what becomes of them between two links. */
import {
  AranyaError,
  asAranyaError,
  type Clock,
  type Logger,
} from "../base/mod.ts";
import {
  type Acks,
  encodeMessage,
  type Envelope,
  EnvelopeKind,
  GoneSchema,
  type SessionPoint,
} from "../wire/mod.ts";
import {
  Conversation,
  type ConversationEvents,
  type ConversationHost,
  type Point,
} from "./stream_state.ts";
import { Acceptor } from "./request.ts";
import type { RunningLink } from "./running_link.ts";
import type { SessionHandlers } from "./session.ts";

/** Values that wait for their last piece, all together, in sizes of the largest allowed. */
const JOINING_VALUES = 4;
/** A peer that opens so many times more conversations than allowed does not heed refusals: its link is closed. */
const OVERRUN_FACTOR = 2;
/** Sessions remembered as told to be gone, so that they are told once. */
const GONE_COUNT = 1_000;

/** Options of {@linkcode Conversations}. */
export interface ConversationsOptions {
  side: "operator" | "agent";
  clock: Clock;
  log: Logger;
  handlers: SessionHandlers;
  maxValueBytes: number;
  maxConversationCount: number;
  /** The link that runs now. */
  running: () => RunningLink | undefined;
}

/** See the top of this file. */
export class Conversations implements ConversationHost {
  readonly maxValueBytes: number;
  readonly #options: ConversationsOptions;
  /** Those that have a number: the peer may know them. */
  readonly #numbered = new Map<number, Conversation>();
  /** Opened here and not sent yet, with the time at which they are given up when there is no link. */
  readonly #unsent = new Map<Conversation, number>();
  readonly #handling = new Set<Promise<void>>();
  readonly #gone = new Set<number>();
  #acceptedCount = 0;
  #nextId: number;
  #highestPeerId = 0;

  constructor(options: ConversationsOptions) {
    this.#options = options;
    this.maxValueBytes = options.maxValueBytes;
    this.#nextId = options.side === "operator" ? 1 : 2;
  }

  /** All that are not over. */
  get count(): number {
    return this.#numbered.size + this.#unsent.size;
  }

  /** Handlers that have not returned. */
  get handling(): readonly Promise<void>[] {
    return [...this.#handling];
  }

  /** Adds up something of each that has a number. */
  sum(of: (conversation: Conversation) => number): number {
    let sum = 0;
    for (const conversation of this.#numbered.values()) sum += of(conversation);
    return sum;
  }

  /** How far each has come. */
  points(): Point[] {
    return Array.from(this.#numbered.values(), (each) => each.resumePoint());
  }

  /** Begins one from this side; `dueMs`: when it is given up for want of a link. */
  open(
    events: ConversationEvents,
    { urgent, dueMs }: { urgent: boolean; dueMs: number },
  ): Conversation {
    const opener = true;
    const conversation = new Conversation({
      host: this,
      events,
      opener,
      urgent,
    });
    this.#unsent.set(conversation, dueMs);
    return conversation;
  }

  /** A link begins. With points the peer is the one of before, and everything goes on from there. */
  resume(points: readonly SessionPoint[] | undefined): void {
    this.#gone.clear();
    if (points) this.#goOn(points);
    const { sender } = this.#options.running() ?? {};
    const inOrder = [...this.#numbered.values()].sort((a, b) => a.id - b.id);
    for (const conversation of [...inOrder, ...this.#unsent.keys()]) {
      sender?.ready(conversation);
    }
  }

  #goOn(points: readonly SessionPoint[]): void {
    const known = new Map(points.map((point) => [point.session, point]));
    for (const conversation of [...this.#numbered.values()]) {
      const { opener, outbox, received } = conversation;
      const point = known.get(conversation.id);
      outbox.rewind();
      if (point) conversation.acknowledge(point);
      // It may never have heard of it: then everything is sent from the start, and GONE tells if it had.
      else if (
        !opener || outbox.heard || received > 0 ||
        conversation.state === "finishing"
      ) conversation.gone(this.#goneError());
    }
  }

  /** Ends those that the peer may know of, and with `unsent` all others. */
  lose(error: AranyaError, { unsent }: { unsent: boolean }): void {
    for (const conversation of [...this.#numbered.values()]) {
      conversation.lose(error);
    }
    if (!unsent) return;
    for (const conversation of [...this.#unsent.keys()]) {
      conversation.lose(error);
    }
  }

  /** Another peer will come, whose numbers begin anew. */
  forgetPeer(error: AranyaError): void {
    this.lose(error, { unsent: false });
    this.#highestPeerId = 0;
  }

  /** What could not be sent on the last link waits for the next one at least until then. */
  keepUnsent(untilMs: number): void {
    for (const [conversation, dueMs] of this.#unsent) {
      this.#unsent.set(conversation, Math.max(dueMs, untilMs));
    }
  }

  /** Ends what was not sent in time; gives the time of the next, Infinity when there is none. */
  expireUnsent(error: AranyaError): number {
    let nextMs = Infinity;
    const nowMs = this.#options.clock.monotonicMs();
    for (const [conversation, dueMs] of [...this.#unsent]) {
      if (dueMs <= nowMs) conversation.lose(error);
      else nextMs = Math.min(nextMs, dueMs);
    }
    return nextMs;
  }

  // What conversations tell.

  changed(conversation: Conversation): void {
    this.#options.running()?.sender.ready(conversation);
  }

  creditRisen(conversation: Conversation): void {
    const running = this.#options.running();
    const nowMs = this.#options.clock.monotonicMs();
    running?.acks.creditRisen(conversation, nowMs);
    running?.planAck();
  }

  over(conversation: Conversation): void {
    this.#unsent.delete(conversation);
    const numbered = this.#numbered.delete(conversation.id);
    if (numbered && !conversation.opener) this.#acceptedCount--;
    this.#options.running()?.sender.forget(conversation);
  }

  unknown(kind: number): void {
    this.#options.log.warn("unknown kind of envelope skipped", { count: kind });
  }

  // What the running link tells.

  /** Gives the next number: conversations reach the peer in the order of these. */
  number(conversation: Conversation): void {
    conversation.id = this.#nextId;
    this.#nextId += 2;
    this.#unsent.delete(conversation);
    this.#numbered.set(conversation.id, conversation);
  }

  /** Takes a packet. @throws {AranyaError} code "invalid" when one before it is missing: the link can't be trusted */
  envelope(envelope: Envelope): void {
    const conversation = this.#numbered.get(envelope.session) ??
      this.#accept(envelope);
    if (!conversation) return;
    this.#options.running()?.acks.note(conversation);
    let outcome;
    try {
      outcome = conversation.receive(envelope);
      if (!envelope.complete) this.#limitJoining();
    } catch (error) {
      conversation.reset(asAranyaError(error, "Cannot take packet"));
    }
    if (outcome === "gap") throw missing();
  }

  #limitJoining(): void {
    const joiningBytes = this.sum((each) => each.joiningBytes);
    if (joiningBytes <= JOINING_VALUES * this.maxValueBytes) return;
    throw new AranyaError(
      "too_large",
      `Cannot take value: ${joiningBytes} bytes of others wait for their end`,
    );
  }

  /** A conversation that begins with this packet; undefined when the packet belongs to one that is gone. */
  #accept(envelope: Envelope): Conversation | undefined {
    const id = envelope.session;
    const own = id % 2 === this.#nextId % 2;
    if (own || id <= this.#highestPeerId) {
      this.#tellGone(id);
      return undefined;
    }
    if (envelope.kind !== EnvelopeKind.OPEN || envelope.sequence !== 0) {
      throw missing();
    }
    const { clock, log, handlers, maxConversationCount } = this.#options;
    if (this.#acceptedCount >= OVERRUN_FACTOR * maxConversationCount) {
      throw new AranyaError(
        "invalid",
        `Cannot use link: ${this.#acceptedCount} conversations were opened, expected at most ${maxConversationCount}`,
      );
    }
    this.#highestPeerId = id;
    const events = new Acceptor({
      clock,
      log,
      handlers,
      maxValueBytes: this.maxValueBytes,
      roundTripMs: () => this.#options.running()?.roundTripMs ?? 0,
      track: (handling) => this.#track(handling),
    });
    const opener = false;
    const urgent = true;
    const conversation = new Conversation({
      host: this,
      events,
      opener,
      urgent,
      id,
    });
    events.attach(conversation);
    this.#numbered.set(id, conversation);
    this.#acceptedCount++;
    if (this.#acceptedCount > maxConversationCount) {
      conversation.reset(
        new AranyaError(
          "unavailable",
          `Cannot accept conversation: ${maxConversationCount} are under way, the most allowed`,
        ),
      );
    }
    return conversation;
  }

  #track(handling: Promise<void>): void {
    this.#handling.add(handling);
    handling.finally(() => this.#handling.delete(handling));
  }

  #tellGone(id: number): void {
    if (this.#gone.has(id)) return;
    if (this.#gone.size >= GONE_COUNT) this.#gone.clear();
    this.#gone.add(id);
    const sessions = [id];
    this.#options.running()?.sender.control(
      EnvelopeKind.GONE,
      encodeMessage(GoneSchema, { sessions }),
    );
  }

  acks({ points }: Acks): void {
    for (const point of points) {
      this.#numbered.get(point.session)?.acknowledge(point);
    }
  }

  gone(sessions: readonly number[]): void {
    for (const session of sessions) {
      this.#numbered.get(session)?.gone(this.#goneError());
    }
  }

  #goneError(): AranyaError {
    const peer = this.#options.side === "operator"
      ? "the device"
      : "the operator";
    return new AranyaError(
      "unavailable",
      `Cannot go on: ${peer} has given up this conversation`,
    );
  }
}

function missing(): AranyaError {
  return new AranyaError("invalid", "Cannot use link: packets are missing");
}
