// SPDX-License-Identifier: Apache-2.0
/** Implements Session: its streams, and the link that they currently run on. */
import {
  AranyaError,
  type BytePace,
  type Clock,
  equalBytes,
  type Logger,
  LogLimit,
  type MemoryShare,
  type Meter,
  NO_METER,
  onAbort,
  SYSTEM_CLOCK,
  waitAtMost,
} from "../base/mod.ts";
import type { Link, LinkEnd } from "../link/mod.ts";
import {
  create,
  encodeMessage,
  MAX_STREAM_COUNT,
  MAX_VALUE_BYTES,
  type Method,
  OpenSchema,
  type StreamPoint,
  StreamPointSchema,
} from "../wire/mod.ts";
import type { GoodbyeContent } from "./goodbye.ts";
import { sendRequest } from "./request.ts";
import { RunningLink } from "./running_link.ts";
import type {
  Greeting,
  RequestOptions,
  Session,
  SessionHandlers,
  SessionStats,
  Stream,
} from "./session.ts";
import { StreamHandle } from "./stream_handle.ts";
import { StreamTable } from "./stream_table.ts";
import { DeadlineTimer } from "./timer.ts";

/** Options of {@linkcode createSession}. */
export interface CreateSessionOptions {
  /** Which end this is. */
  side: "operator" | "agent";
  /** Serves the streams that the peer opens. */
  handlers: SessionHandlers;
  log: Logger;
  /** @default NO_METER */
  meter?: Meter;
  /** @default SYSTEM_CLOCK */
  clock?: Clock;
  /** How long streams wait for a new link, in milliseconds. @default 30000 */
  resumeWindowMs?: number;
  /**
   * A link is closed after this much silence, in milliseconds. A value in the Welcome takes
   * precedence.
   * @default 40000
   */
  offlineAfterMs?: number;
  /**
   * Upper bound of a request or response of the peer, in bytes.
   * @default MAX_VALUE_BYTES of this side
   */
  maxValueBytes?: number;
  /**
   * Upper bound of the streams that the peer may have open.
   * @default MAX_STREAM_COUNT of this side
   */
  maxStreamCount?: number;
  /**
   * What the peer's requests, and the responses to them, have of the memory for all peers. The
   * session disposes it.
   * @default no bound but those of the peer itself
   */
  memory?: MemoryShare;
  /**
   * Slows down what the peer sends without being asked: everything but the streams that this side
   * opened.
   * @default it is read at once
   */
  pace?: BytePace;
}

/** Creates a session that has no link yet. */
export function createSession(options: CreateSessionOptions): Session {
  return new LinkedSession(options);
}

const PEER_SIDE = { operator: "agent", agent: "operator" } as const;
const DEFAULT_RESUME_WINDOW_MS = 30_000;
const DEFAULT_OFFLINE_AFTER_MS = 40_000;
const INSTANCE_ID_BYTES = 16;
/** A peer that sends too much is logged once in this time, in milliseconds. */
const LOG_INTERVAL_MS = 60_000;
/** How long `close` waits for handlers to return, in milliseconds. */
const HANDLERS_MS = 1_000;

/** Keeps the streams of a session, and runs them on one link after the other. */
class LinkedSession implements Session {
  readonly instanceId: Uint8Array = crypto.getRandomValues(
    new Uint8Array(INSTANCE_ID_BYTES),
  );
  readonly #options: CreateSessionOptions;
  readonly #clock: Clock;
  readonly #maxValueBytes: number;
  /** Upper bound of what the peer accepts. */
  readonly #maxSentBytes: number;
  readonly #resumeWindowMs: number;
  /** For error texts. */
  readonly #peerName: "device" | "operator";
  readonly #streams: StreamTable;
  readonly #logLimit: LogLimit;
  /** Fires when streams that wait for a link expire. */
  readonly #timer: DeadlineTimer;
  #peerInstanceId: Uint8Array = new Uint8Array(0);
  /** When the streams that the peer knows expire; Infinity while there is a link, or none left. */
  #expiresMs = Infinity;
  #closed: { error: AranyaError; done: Promise<void> } | undefined;

  constructor(options: CreateSessionOptions) {
    const { side, handlers, log, clock = SYSTEM_CLOCK } = options;
    this.#options = options;
    this.#clock = clock;
    this.#logLimit = new LogLimit({ clock, intervalMs: LOG_INTERVAL_MS });
    this.#resumeWindowMs = options.resumeWindowMs ?? DEFAULT_RESUME_WINDOW_MS;
    this.#maxValueBytes = options.maxValueBytes ?? MAX_VALUE_BYTES[side];
    this.#maxSentBytes = MAX_VALUE_BYTES[PEER_SIDE[side]];
    this.#peerName = side === "operator" ? "device" : "operator";
    this.#timer = new DeadlineTimer({
      clock,
      onDue: () => this.#failExpiredStreams(),
    });
    this.#streams = new StreamTable({
      side,
      clock,
      log,
      handlers,
      maxValueBytes: this.#maxValueBytes,
      maxSentBytes: this.#maxSentBytes,
      maxStreamCount: options.maxStreamCount ?? MAX_STREAM_COUNT[side],
      memory: options.memory,
    });
  }

  get connected(): boolean {
    return this.#streams.link !== undefined;
  }

  get responseBytes(): number {
    return this.#streams.responseBytes;
  }

  get peerInstanceId(): Uint8Array {
    return this.#peerInstanceId;
  }

  async request(
    method: Method,
    payload: Uint8Array,
    options: RequestOptions,
  ): Promise<Uint8Array> {
    if (payload.length > this.#maxSentBytes) {
      const action = options.action ?? "Cannot send request";
      throw new AranyaError(
        "too_large",
        `${action}: the request has ${payload.length} bytes, expected at most ${this.#maxSentBytes}`,
      );
    }
    // A request never expires for lack of a link: it has its own timeout.
    const stream = this.#streams.open({
      priority: "high",
      expiresMs: Infinity,
    });
    const clock = this.#clock;
    return await sendRequest(stream, { ...options, clock, method, payload });
  }

  open(
    method: Method,
    payload: Uint8Array,
    { signal }: { signal?: AbortSignal } = {},
  ): Stream {
    const expiresMs = this.#clock.monotonicMs() + this.#resumeWindowMs;
    const stream = this.#streams.open({ priority: "normal", expiresMs });
    const link = this.#streams;
    const handle = new StreamHandle({ stream, clock: this.#clock, link });
    stream.setListener(handle);
    stream.start(() => encodeMessage(OpenSchema, { method, request: payload }));
    if (!this.connected) this.#timer.schedule(expiresMs);
    const listener = onAbort(signal, (reason) => {
      const message = "Cannot use stream: it was cancelled";
      handle.reset(new AranyaError("cancelled", message, { cause: reason }));
    });
    // The caller's signal may outlive the stream by far.
    onAbort(handle.signal, () => listener[Symbol.dispose]());
    return handle;
  }

  async run(link: Link, greeting: Greeting): Promise<LinkEnd> {
    if (this.#closed) {
      const reason = "the session is closed";
      link.close(reason);
      return { reason, error: this.#closed.error };
    }
    const { welcome, peerInstanceId, peerPoints } = greeting;
    this.#streams.link?.endWithGoodbye({
      reason: "replaced by a newer link",
      instanceEnds: false,
    });
    const resumed = welcome.resumed &&
      equalBytes(peerInstanceId, this.#peerInstanceId);
    if (!resumed) this.#onPeerLost("it was restarted");
    this.#peerInstanceId = peerInstanceId;
    this.#expiresMs = Infinity;
    const { meter = NO_METER } = this.#options;
    const labels = { resumed: String(resumed) };
    meter.count("aranya_session_links_total", { labels });
    const running = this.#createRunningLink(link, welcome.offlineAfterMs);
    const end = await running.run(() => {
      const points = resumed ? peerPoints : undefined;
      this.#streams.resume({ link: running, points });
      // The greeting lives as long as the link.
      peerPoints.length = 0;
    });
    // A newer link may have taken over.
    if (this.#streams.link === running) {
      this.#suspend();
      // The states of the two sides don't fit together: it would happen again on each next link.
      if (running.isViolated) this.#onPeerLost("it broke the protocol");
    }
    return end;
  }

  disconnect(reason: string): void {
    const { link } = this.#streams;
    if (!link) return;
    this.#suspend();
    link.endWithGoodbye({ reason, instanceEnds: false });
  }

  /** Puts a link to work. A Welcome without a value leaves the silence to the options. */
  #createRunningLink(link: Link, welcomeOfflineMs: number): RunningLink {
    const { side, log, offlineAfterMs = DEFAULT_OFFLINE_AFTER_MS } =
      this.#options;
    return new RunningLink({
      link,
      side,
      clock: this.#clock,
      log,
      offlineAfterMs: welcomeOfflineMs || offlineAfterMs,
      maxValueBytes: this.#maxValueBytes,
      streams: this.#streams,
      pace: this.#options.pace,
      onDelayed: () => this.#onDelayed(),
      onGoodbye: (goodbye) => this.#onGoodbye(goodbye),
    });
  }

  #onDelayed(): void {
    const { log, meter = NO_METER } = this.#options;
    meter.count("aranya_session_delays_total");
    const admitted = this.#logLimit.admit("delayed");
    if (!admitted) return;
    log.warn("peer sends too much, its link is read more slowly", admitted);
  }

  /** Lets the streams wait for the next link. */
  #suspend(): void {
    this.#expiresMs = this.#clock.monotonicMs() + this.#resumeWindowMs;
    this.#streams.suspend({ expiresMs: this.#expiresMs });
    this.#timer.schedule(this.#expiresMs);
  }

  resumePoints(): StreamPoint[] {
    return this.#streams.resumePoints.map((point) =>
      create(StreamPointSchema, point)
    );
  }

  stats(): SessionStats {
    const streams = this.#streams;
    const { budget, roundTripMs = 0 } = streams.link ?? {};
    return {
      streamCount: streams.count,
      handlerCount: streams.runningHandlers.length,
      unackedBytes: streams.sum((each) => each.outbox.unackedBytes),
      bufferedBytes: streams.sum((each) => each.heldBytes),
      link: {
        bytesPerSecond: budget?.bytesPerSecond ?? 0,
        roundTripMs,
        budgetBytes: budget?.budgetBytes ?? 0,
        inFlightBytes: budget?.inFlightBytes ?? 0,
        packetBytes: budget?.packetBytes ?? 0,
      },
    };
  }

  close(
    error: AranyaError = new AranyaError(
      "unavailable",
      "Cannot use session: it was closed",
    ),
  ): Promise<void> {
    if (!this.#closed) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#closed = { error, done: promise };
      this.#shutDown(error).then(resolve, resolve);
    }
    return this.#closed.done;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #shutDown(error: AranyaError): Promise<void> {
    const clock = this.#clock;
    const { link } = this.#streams;
    this.#timer.stop();
    this.#streams.close(error);
    link?.endWithGoodbye({ reason: error.message, instanceEnds: true });
    await link?.ended;
    const { runningHandlers } = this.#streams;
    if (runningHandlers.length === 0) return;
    const returned = Promise.allSettled(runningHandlers);
    await waitAtMost(returned, { timeoutMs: HANDLERS_MS, clock });
  }

  #onGoodbye({ reason, instanceEnds }: GoodbyeContent): void {
    this.#streams.link?.end({
      reason: `closed by the ${this.#peerName}: ${reason}`,
    });
    if (instanceEnds) this.#onPeerLost(`it was shut down: ${reason}`);
  }

  /** Fails the streams of a peer process that won't come back. */
  #onPeerLost(state: string): void {
    this.#peerInstanceId = new Uint8Array(0);
    this.#streams.onPeerLost(this.#unreachableError(state));
  }

  /** Fails the streams that have waited too long for a link. */
  #failExpiredStreams(): void {
    if (this.connected) return;
    const seconds = Math.round(this.#resumeWindowMs / 1_000);
    const error = this.#unreachableError(`not connected for ${seconds} s`);
    if (this.#expiresMs <= this.#clock.monotonicMs()) {
      this.#expiresMs = Infinity;
      this.#streams.failNumbered(error);
    }
    const nextMs = this.#streams.failExpired(error);
    this.#timer.schedule(Math.min(this.#expiresMs, nextMs));
  }

  #unreachableError(state: string): AranyaError {
    const message = `Cannot reach the ${this.#peerName}: ${state}`;
    return new AranyaError("unavailable", message);
  }
}
