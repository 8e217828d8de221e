// SPDX-License-Identifier: Apache-2.0
/** The streams of one session. */
import {
  AranyaError,
  asAranyaError,
  type Clock,
  type Logger,
  type MemoryShare,
} from "../base/mod.ts";
import {
  type Acks,
  type Envelope,
  EnvelopeKind,
  type StreamPoint,
} from "../wire/mod.ts";
import { Acceptor, type HandlerTracker } from "./acceptor.ts";
import type { LinkMeasure } from "./inbox.ts";
import type { StreamPriority } from "./outbox.ts";
import type { RunningLink, StreamReceiver } from "./running_link.ts";
import type { StreamNumbering } from "./sender.ts";
import type { SessionHandlers } from "./session.ts";
import {
  type StreamOwner,
  type StreamPointFields,
  StreamState,
} from "./stream_state.ts";
import { type HeldValues, ValueMemory } from "./value_memory.ts";

/** A peer that exceeds the limit of streams by this factor ignores refusals: its link is closed. */
const OVERRUN_FACTOR = 2;
/** Upper bound of the unknown kinds of envelopes that are logged. */
const MAX_LOGGED_KIND_COUNT = 64;

/** Options of {@linkcode StreamTable}. */
export interface StreamTableOptions {
  /** Which end this is: the operator's streams have odd ids, the agent's even ones. */
  side: "operator" | "agent";
  clock: Clock;
  log: Logger;
  handlers: SessionHandlers;
  /** Upper bound of a value that the peer may send. */
  maxValueBytes: number;
  /** Upper bound of a value that may be sent. */
  maxSentBytes: number;
  /** Upper bound of the peer's open streams. */
  maxStreamCount: number;
  /** What the peer's requests have of the memory for all peers. @default no bound */
  memory?: MemoryShare | undefined;
}

/** Options of {@linkcode StreamTable.open}. */
export interface OpenStreamOptions {
  priority: StreamPriority;
  /** Monotonic time at which the stream fails if there was no link to open it on. */
  expiresMs: number;
}

/**
 * Holds the streams of one session: assigns their ids, dispatches received envelopes to them, and
 * decides what becomes of them when a link or the peer is lost.
 */
export class StreamTable
  implements
    StreamOwner,
    StreamReceiver,
    StreamNumbering,
    HandlerTracker,
    HeldValues,
    LinkMeasure {
  readonly maxValueBytes: number;
  readonly #options: StreamTableOptions;
  /** Streams with an id: the peer may know them. */
  readonly #numbered = new Map<number, StreamState>();
  /** Streams of this side that haven't sent anything, with the time at which they expire. */
  readonly #unsent = new Map<StreamState, number>();
  readonly #runningHandlers = new Set<Promise<void>>();
  /** Unknown kinds of envelopes that were logged. */
  readonly #loggedKinds = new Set<number>();
  readonly #memory: ValueMemory;
  #link: RunningLink | undefined;
  #closedError: AranyaError | undefined;
  #acceptedCount = 0;
  #nextId: number;
  #highestPeerId = 0;

  constructor(options: StreamTableOptions) {
    this.#options = options;
    this.maxValueBytes = options.maxValueBytes;
    this.#memory = new ValueMemory({
      maxValueBytes: options.maxValueBytes,
      held: this,
      share: options.memory,
    });
    this.#nextId = options.side === "operator" ? 1 : 2;
  }

  /** The current link. */
  get link(): RunningLink | undefined {
    return this.#link;
  }

  get roundTripMs(): number {
    return this.#link?.roundTripMs ?? 0;
  }

  /** Number of streams that aren't closed. */
  get count(): number {
    return this.#numbered.size + this.#unsent.size;
  }

  /** Handlers that haven't returned. */
  get runningHandlers(): readonly Promise<void>[] {
    return [...this.#runningHandlers];
  }

  /** Returns the sum of a number over all streams with an id. */
  sum(measure: (stream: StreamState) => number): number {
    let sum = 0;
    for (const stream of this.#numbered.values()) sum += measure(stream);
    return sum;
  }

  /** See {@linkcode HeldValues}. */
  get incompleteBytes(): number {
    return this.sum((each) => each.incompleteBytes) +
      (this.#link?.incompleteBytes ?? 0);
  }

  /** See {@linkcode HeldValues}. */
  get responseBytes(): number {
    return this.sum((each) => each.responseBytes);
  }

  /** How far each stream has been received. */
  get resumePoints(): StreamPointFields[] {
    return Array.from(this.#numbered.values(), (each) => each.resumePoint);
  }

  /** Creates a stream of this side, which needs a listener before it is started. */
  open({ priority, expiresMs }: OpenStreamOptions): StreamState {
    const stream = new StreamState({ owner: this, isOpener: true, priority });
    this.#unsent.set(stream, expiresMs);
    return stream;
  }

  /**
   * Continues on a new link. `points` are what the peer has received; undefined if it is another
   * process than the last one, whose streams `onPeerLost` has failed.
   * @throws {AranyaError} code "invalid" when a point is beyond what was sent
   */
  resume(
    { link, points }: {
      link: RunningLink;
      points: readonly StreamPoint[] | undefined;
    },
  ): void {
    this.#link = link;
    if (points) this.#resumeNumbered(points);
    // In the order of their ids: the peer must see the OPEN of a lower one first.
    const numbered = [...this.#numbered.values()].sort((a, b) => a.id - b.id);
    for (const stream of [...numbered, ...this.#unsent.keys()]) {
      link.sender.enqueue(stream);
    }
  }

  #resumeNumbered(points: readonly StreamPoint[]): void {
    const known = new Map(points.map((point) => [point.stream, point]));
    for (const stream of [...this.#numbered.values()]) {
      const { isOpener, outbox, received } = stream;
      const point = known.get(stream.id);
      outbox.rewind();
      if (point) {
        stream.acknowledge(point);
        continue;
      }
      // Without a sign that the peer ever knew the stream, its OPEN may have been lost: everything
      // is sent again. (If the peer has dropped the stream instead, it reports it as unknown.)
      const wasKnown = !isOpener || outbox.hasAck || received > 0 ||
        stream.state === "closing";
      if (wasKnown) stream.onUnknownToPeer(this.#unknownStreamError());
    }
  }

  /** Handles the end of the link. Unsent streams wait for the next one until this time at least. */
  suspend({ expiresMs }: { expiresMs: number }): void {
    this.#link = undefined;
    for (const [stream, dueMs] of this.#unsent) {
      this.#unsent.set(stream, Math.max(dueMs, expiresMs));
    }
  }

  /** Fails the streams that the peer may know. Unsent ones keep waiting for a link. */
  failNumbered(error: AranyaError): void {
    for (const stream of [...this.#numbered.values()]) stream.fail(error);
  }

  /** Fails unsent streams that have expired. Returns when the next one does, or Infinity. */
  failExpired(error: AranyaError): number {
    const nowMs = this.#options.clock.monotonicMs();
    let nextMs = Infinity;
    for (const [stream, dueMs] of [...this.#unsent]) {
      if (dueMs <= nowMs) stream.fail(error);
      else nextMs = Math.min(nextMs, dueMs);
    }
    return nextMs;
  }

  /** Fails the streams that the peer knew: the next peer is another process, with new ids. */
  onPeerLost(error: AranyaError): void {
    this.failNumbered(error);
    this.#highestPeerId = 0;
  }

  /** Fails all streams, and those that this side opens later. */
  close(error: AranyaError): void {
    this.#closedError = error;
    this.failNumbered(error);
    for (const stream of [...this.#unsent.keys()]) stream.fail(error);
    this.#memory.close();
  }

  // Events of streams and handlers.

  onStreamStarted(stream: StreamState): void {
    if (this.#closedError) stream.fail(this.#closedError);
    else this.onStreamReady(stream);
  }

  onStreamReady(stream: StreamState): void {
    this.#link?.sender.enqueue(stream);
  }

  onCreditRisen(stream: StreamState): void {
    this.#link?.onCreditRisen(stream);
  }

  onStreamClosed(stream: StreamState): void {
    this.#unsent.delete(stream);
    const wasNumbered = this.#numbered.delete(stream.id);
    if (wasNumbered && !stream.isOpener) this.#acceptedCount--;
    this.#link?.sender.remove(stream);
    this.#memory.update();
  }

  onUnknownEnvelope(kind: number): void {
    if (this.#loggedKinds.has(kind)) return;
    if (this.#loggedKinds.size >= MAX_LOGGED_KIND_COUNT) return;
    this.#loggedKinds.add(kind);
    this.#options.log.warn("unknown kind of envelope skipped", { kind });
  }

  reserveRequest(byteCount: number): void {
    this.#memory.reserve(byteCount);
  }

  releaseRequest(byteCount: number): void {
    this.#memory.release(byteCount);
  }

  checkResponse(byteCount: number): void {
    this.#memory.checkResponse(byteCount);
  }

  trackHandler(handler: Promise<void>): void {
    this.#runningHandlers.add(handler);
    handler.finally(() => this.#runningHandlers.delete(handler));
  }

  // Events of the link.

  assignId(stream: StreamState): void {
    stream.id = this.#nextId;
    this.#nextId += 2;
    this.#unsent.delete(stream);
    this.#numbered.set(stream.id, stream);
  }

  onEnvelopeReceived(envelope: Envelope): boolean {
    const stream = this.#numbered.get(envelope.stream) ??
      this.#accept(envelope);
    if (!stream) return false;
    this.#link?.acks.addStream(stream);
    const isAskedFor = stream.isAskedFor(envelope);
    let outcome;
    try {
      outcome = stream.receive(envelope);
      if (!envelope.complete) this.#memory.checkIncomplete();
    } catch (error) {
      stream.reset(asAranyaError(error, "Cannot receive packet"));
      this.#memory.update();
    }
    if (outcome === "gap") throw gapError();
    return isAskedFor && outcome === "accepted";
  }

  onPartKept(): void {
    this.#memory.checkIncomplete();
  }

  onAcksReceived({ points }: Acks): void {
    for (const point of points) {
      this.#numbered.get(point.stream)?.acknowledge(point);
    }
    this.#memory.update();
  }

  onUnknownStreamsReceived(ids: readonly number[]): void {
    for (const id of ids) {
      this.#numbered.get(id)?.onUnknownToPeer(this.#unknownStreamError());
    }
  }

  /** Returns the stream that this envelope opens, or undefined if it belongs to a closed stream. */
  #accept(envelope: Envelope): StreamState | undefined {
    const { kind, stream: id, sequence } = envelope;
    const isOwn = id % 2 === this.#nextId % 2;
    if (isOwn || id <= this.#highestPeerId) {
      this.#link?.reportUnknownStream(id);
      return undefined;
    }
    if (kind !== EnvelopeKind.OPEN || sequence !== 0) throw gapError();
    const { maxStreamCount } = this.#options;
    // Handlers may go on for a while after their stream was reset.
    const openCount = Math.max(this.#acceptedCount, this.#runningHandlers.size);
    if (openCount >= OVERRUN_FACTOR * maxStreamCount) {
      throw new AranyaError(
        "invalid",
        `Cannot use link: the peer has opened ${openCount} streams, expected at most ${maxStreamCount}`,
      );
    }
    this.#highestPeerId = id;
    const stream = this.#addAccepted(id);
    if (this.#acceptedCount > maxStreamCount) {
      stream.reset(
        new AranyaError(
          "unavailable",
          `Cannot accept stream: ${maxStreamCount} are open, the most allowed`,
        ),
      );
    }
    return stream;
  }

  #addAccepted(id: number): StreamState {
    const { clock, log, handlers, maxSentBytes } = this.#options;
    const stream = new StreamState({
      owner: this,
      isOpener: false,
      // High until the method is known to use channels.
      priority: "high",
      id,
    });
    stream.setListener(
      new Acceptor({
        stream,
        clock,
        log,
        handlers,
        link: this,
        tracker: this,
        maxSentBytes,
      }),
    );
    this.#numbered.set(id, stream);
    this.#acceptedCount++;
    return stream;
  }

  #unknownStreamError(): AranyaError {
    const peer = this.#options.side === "operator" ? "device" : "operator";
    return new AranyaError(
      "unavailable",
      `Cannot continue stream: the ${peer} no longer knows it`,
    );
  }
}

function gapError(): AranyaError {
  return new AranyaError("invalid", "Cannot use link: a packet is missing");
}
