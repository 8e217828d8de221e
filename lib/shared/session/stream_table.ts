// SPDX-License-Identifier: Apache-2.0
/** The streams of one session: their numbers, which packet belongs to which, and what becomes of them between two links. */
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
  type StreamPoint,
  UnknownStreamsSchema,
} from "../wire/mod.ts";
import {
  type Point,
  type StreamEvents,
  type StreamHost,
  StreamState,
} from "./stream_state.ts";
import { Acceptor } from "./request.ts";
import type { RunningLink } from "./running_link.ts";
import type { SessionHandlers } from "./session.ts";

/** Values that wait for their last piece, all together, in sizes of the largest allowed. */
const JOINING_VALUES = 4;
/** A peer that opens so many times more streams than allowed does not heed refusals: its link is closed. */
const OVERRUN_FACTOR = 2;
/** Sessions remembered as told to be gone, so that they are told once. */
const GONE_COUNT = 1_000;

/** Options of {@linkcode StreamTable}. */
export interface StreamTableOptions {
  side: "operator" | "agent";
  clock: Clock;
  log: Logger;
  handlers: SessionHandlers;
  maxValueBytes: number;
  maxStreamCount: number;
  /** The link that runs now. */
  running: () => RunningLink | undefined;
}

/** See the top of this file. */
export class StreamTable implements StreamHost {
  readonly maxValueBytes: number;
  readonly #options: StreamTableOptions;
  /** Those that have a number: the peer may know them. */
  readonly #numbered = new Map<number, StreamState>();
  /** Opened here and not sent yet, with the time at which they are given up when there is no link. */
  readonly #unsent = new Map<StreamState, number>();
  readonly #handling = new Set<Promise<void>>();
  readonly #gone = new Set<number>();
  #acceptedCount = 0;
  #nextId: number;
  #highestPeerId = 0;

  constructor(options: StreamTableOptions) {
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
  sum(of: (stream: StreamState) => number): number {
    let sum = 0;
    for (const stream of this.#numbered.values()) sum += of(stream);
    return sum;
  }

  /** How far each has come. */
  points(): Point[] {
    return Array.from(this.#numbered.values(), (each) => each.resumePoint());
  }

  /** Begins one from this side; `dueMs`: when it is given up for want of a link. */
  open(
    events: StreamEvents,
    { urgent, dueMs }: { urgent: boolean; dueMs: number },
  ): StreamState {
    const opener = true;
    const stream = new StreamState({
      host: this,
      events,
      opener,
      urgent,
    });
    this.#unsent.set(stream, dueMs);
    return stream;
  }

  /** A link begins. With points the peer is the one of before, and everything goes on from there. */
  resume(points: readonly StreamPoint[] | undefined): void {
    this.#gone.clear();
    if (points) this.#goOn(points);
    const { sender } = this.#options.running() ?? {};
    const inOrder = [...this.#numbered.values()].sort((a, b) => a.id - b.id);
    for (const stream of [...inOrder, ...this.#unsent.keys()]) {
      sender?.ready(stream);
    }
  }

  #goOn(points: readonly StreamPoint[]): void {
    const known = new Map(points.map((point) => [point.stream, point]));
    for (const stream of [...this.#numbered.values()]) {
      const { opener, outbox, received } = stream;
      const point = known.get(stream.id);
      outbox.rewind();
      if (point) stream.acknowledge(point);
      // It may never have heard of it: then everything is sent from the start, and GONE tells if it had.
      else if (
        !opener || outbox.heard || received > 0 ||
        stream.state === "finishing"
      ) stream.gone(this.#goneError());
    }
  }

  /** Ends those that the peer may know of, and with `unsent` all others. */
  lose(error: AranyaError, { unsent }: { unsent: boolean }): void {
    for (const stream of [...this.#numbered.values()]) {
      stream.lose(error);
    }
    if (!unsent) return;
    for (const stream of [...this.#unsent.keys()]) {
      stream.lose(error);
    }
  }

  /** Another peer will come, whose numbers begin anew. */
  forgetPeer(error: AranyaError): void {
    this.lose(error, { unsent: false });
    this.#highestPeerId = 0;
  }

  /** What could not be sent on the last link waits for the next one at least until then. */
  keepUnsent(untilMs: number): void {
    for (const [stream, dueMs] of this.#unsent) {
      this.#unsent.set(stream, Math.max(dueMs, untilMs));
    }
  }

  /** Ends what was not sent in time; gives the time of the next, Infinity when there is none. */
  expireUnsent(error: AranyaError): number {
    let nextMs = Infinity;
    const nowMs = this.#options.clock.monotonicMs();
    for (const [stream, dueMs] of [...this.#unsent]) {
      if (dueMs <= nowMs) stream.lose(error);
      else nextMs = Math.min(nextMs, dueMs);
    }
    return nextMs;
  }

  // What streams tell.

  changed(stream: StreamState): void {
    this.#options.running()?.sender.ready(stream);
  }

  creditRisen(stream: StreamState): void {
    const running = this.#options.running();
    const nowMs = this.#options.clock.monotonicMs();
    running?.acks.creditRisen(stream, nowMs);
    running?.planAck();
  }

  over(stream: StreamState): void {
    this.#unsent.delete(stream);
    const numbered = this.#numbered.delete(stream.id);
    if (numbered && !stream.opener) this.#acceptedCount--;
    this.#options.running()?.sender.forget(stream);
  }

  unknown(kind: number): void {
    this.#options.log.warn("unknown kind of envelope skipped", { count: kind });
  }

  // What the running link tells.

  /** Gives the next number: streams reach the peer in the order of these. */
  number(stream: StreamState): void {
    stream.id = this.#nextId;
    this.#nextId += 2;
    this.#unsent.delete(stream);
    this.#numbered.set(stream.id, stream);
  }

  /** Takes a packet. @throws {AranyaError} code "invalid" when one before it is missing: the link can't be trusted */
  envelope(envelope: Envelope): void {
    const stream = this.#numbered.get(envelope.stream) ??
      this.#accept(envelope);
    if (!stream) return;
    this.#options.running()?.acks.note(stream);
    let outcome;
    try {
      outcome = stream.receive(envelope);
      if (!envelope.complete) this.#limitJoining();
    } catch (error) {
      stream.reset(asAranyaError(error, "Cannot take packet"));
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

  /** A stream that begins with this packet; undefined when the packet belongs to one that is gone. */
  #accept(envelope: Envelope): StreamState | undefined {
    const id = envelope.stream;
    const own = id % 2 === this.#nextId % 2;
    if (own || id <= this.#highestPeerId) {
      this.#tellGone(id);
      return undefined;
    }
    if (envelope.kind !== EnvelopeKind.OPEN || envelope.sequence !== 0) {
      throw missing();
    }
    const { clock, log, handlers, maxStreamCount } = this.#options;
    if (this.#acceptedCount >= OVERRUN_FACTOR * maxStreamCount) {
      throw new AranyaError(
        "invalid",
        `Cannot use link: ${this.#acceptedCount} streams were opened, expected at most ${maxStreamCount}`,
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
    const stream = new StreamState({
      host: this,
      events,
      opener,
      urgent,
      id,
    });
    events.attach(stream);
    this.#numbered.set(id, stream);
    this.#acceptedCount++;
    if (this.#acceptedCount > maxStreamCount) {
      stream.reset(
        new AranyaError(
          "unavailable",
          `Cannot accept stream: ${maxStreamCount} are under way, the most allowed`,
        ),
      );
    }
    return stream;
  }

  #track(handling: Promise<void>): void {
    this.#handling.add(handling);
    handling.finally(() => this.#handling.delete(handling));
  }

  #tellGone(id: number): void {
    if (this.#gone.has(id)) return;
    if (this.#gone.size >= GONE_COUNT) this.#gone.clear();
    this.#gone.add(id);
    const streams = [id];
    this.#options.running()?.sender.control(
      EnvelopeKind.UNKNOWN_STREAMS,
      encodeMessage(UnknownStreamsSchema, { streams }),
    );
  }

  acks({ points }: Acks): void {
    for (const point of points) {
      this.#numbered.get(point.stream)?.acknowledge(point);
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
      `Cannot go on: ${peer} has given up this stream`,
    );
  }
}

function missing(): AranyaError {
  return new AranyaError("invalid", "Cannot use link: packets are missing");
}
