// SPDX-License-Identifier: Apache-2.0
/** Makes a session: its streams, the link they run on at the moment, and what becomes of them between two links. */
import {
  AranyaError,
  type Clock,
  equalBytes,
  type Logger,
  type Meter,
  NO_METER,
  SYSTEM_CLOCK,
} from "../base/mod.ts";
import type { Link, LinkEnd } from "../link/mod.ts";
import {
  create,
  encodeMessage,
  EnvelopeKind,
  type Goodbye,
  GoodbyeSchema,
  MAX_VALUE_BYTES,
  type Method,
  OpenSchema,
  type StreamPoint,
  StreamPointSchema,
} from "../wire/mod.ts";
import { type Alarm, createAlarm } from "./timer.ts";
import type { StreamEvents, StreamState } from "./stream_state.ts";
import { StreamTable } from "./stream_table.ts";
import { askPeer } from "./request.ts";
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

/** Options of {@linkcode createSession}. */
export interface CreateSessionOptions {
  /** Which end this is: it decides the numbers of its streams. */
  side: "operator" | "agent";
  /** Serves what the other end opens. */
  handlers: SessionHandlers;
  /** Takes what happens to streams, at debug level. */
  log: Logger;
  /** Takes figures. @default no figures */
  meter?: Meter;
  /** Time, for every wait. @default the machine's */
  clock?: Clock;
  /** How long streams wait for a new link, in milliseconds. @default 30000 */
  resumeWindowMs?: number;
  /** Silence after which a link is given up, in milliseconds; a Welcome that names one replaces it. @default 40000 */
  offlineAfterMs?: number;
  /** Largest request, answer or opening word, in bytes. @default 16 MiB */
  maxValueBytes?: number;
  /** Streams of the other end served at one time. @default 1024 */
  maxStreamCount?: number;
}

/** Makes a session that has no link yet. */
export function createSession(options: CreateSessionOptions): Session {
  return new LinkedSession(options);
}

const DEFAULT_RESUME_WINDOW_MS = 30_000;
const DEFAULT_OFFLINE_AFTER_MS = 40_000;
const DEFAULT_MAX_STREAM_COUNT = 1024;
const INSTANCE_BYTES = 16;
/** For the peer to read our last words, and for handlers to heed their signals, when a session is closed. */
const GOODBYE_MS = 500;
const HANDLERS_MS = 1_000;
/** Of the reason in a Goodbye, in characters. */
const MAX_REASON_LENGTH = 300;

class LinkedSession implements Session {
  readonly instanceId: Uint8Array = crypto.getRandomValues(
    new Uint8Array(INSTANCE_BYTES),
  );
  readonly #options: CreateSessionOptions;
  readonly #clock: Clock;
  readonly #meter: Meter;
  readonly #maxValueBytes: number;
  readonly #resumeWindowMs: number;
  readonly #peerName: string;
  readonly #alarm: Alarm;
  readonly #streams: StreamTable;
  #peerInstanceId: Uint8Array = new Uint8Array(0);
  #running: RunningLink | undefined;
  /** When what was under way is given up; Infinity while a link runs, or when nothing is left. */
  #expiresMs = Infinity;
  #closed: { error: AranyaError; done: Promise<void> } | undefined;

  constructor(options: CreateSessionOptions) {
    const { side, handlers, log } = options;
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#meter = options.meter ?? NO_METER;
    this.#resumeWindowMs = options.resumeWindowMs ?? DEFAULT_RESUME_WINDOW_MS;
    this.#maxValueBytes = options.maxValueBytes ?? MAX_VALUE_BYTES;
    this.#peerName = side === "operator" ? "the device" : "the operator";
    const clock = this.#clock;
    this.#alarm = createAlarm({ clock, ring: () => this.#expire() });
    this.#streams = new StreamTable({
      side,
      clock,
      log,
      handlers,
      maxValueBytes: this.#maxValueBytes,
      maxStreamCount: options.maxStreamCount ??
        DEFAULT_MAX_STREAM_COUNT,
      running: () => this.#running,
    });
  }

  get connected(): boolean {
    return this.#running !== undefined;
  }

  get peerInstanceId(): Uint8Array {
    return this.#peerInstanceId;
  }

  async request(
    method: Method,
    payload: Uint8Array,
    options: RequestOptions,
  ): Promise<Uint8Array> {
    if (payload.length > this.#maxValueBytes) {
      const action = options.action ?? "Cannot send request";
      throw new AranyaError(
        "too_large",
        `${action}: it has ${payload.length} bytes, expected at most ${this.#maxValueBytes}`,
      );
    }
    const open = (events: StreamEvents) => this.#open(events, { urgent: true });
    const clock = this.#clock;
    return await askPeer({ ...options, clock, method, payload, open });
  }

  open(
    method: Method,
    payload: Uint8Array,
    { signal }: { signal?: AbortSignal } = {},
  ): Stream {
    const stream = new StreamHandle({
      clock: this.#clock,
      roundTripMs: () => this.#running?.roundTripMs ?? 0,
    });
    const streamState = this.#open(stream, { urgent: false });
    stream.attach(streamState);
    streamState.outbox.open(() =>
      encodeMessage(OpenSchema, { method, request: payload })
    );
    streamState.changed();
    const onAbort = () =>
      stream.reset(
        new AranyaError("cancelled", "Cannot use stream: it was cancelled", {
          cause: signal?.reason,
        }),
      );
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, {
      once: true,
      signal: stream.signal,
    });
    return stream;
  }

  #open(
    events: StreamEvents,
    { urgent }: { urgent: boolean },
  ): StreamState {
    // A request has its own time; a stream waits no longer for a link than one that has lost it.
    const dueMs = urgent
      ? Infinity
      : this.#clock.monotonicMs() + this.#resumeWindowMs;
    const streamState = this.#streams.open(events, { urgent, dueMs });
    if (this.#closed) streamState.lose(this.#closed.error);
    else if (!this.#running) this.#alarm.at(dueMs);
    return streamState;
  }

  async run(link: Link, greeting: Greeting): Promise<LinkEnd> {
    const { welcome, peerInstanceId, peerPoints } = greeting;
    if (this.#closed) {
      const reason = "the session is closed";
      link.close(reason);
      return { reason, error: this.#closed.error };
    }
    this.#running?.end({ reason: "replaced by a newer link" });
    const resumed = welcome.resumed &&
      equalBytes(peerInstanceId, this.#peerInstanceId);
    if (!resumed) this.#forgetPeer(`${this.#peerName} has started anew`);
    this.#peerInstanceId = peerInstanceId;
    this.#expiresMs = Infinity;
    const labels = { resumed: String(resumed) };
    this.#meter.count("aranya_session_links_total", { labels });
    const running = new RunningLink({
      link,
      side: this.#options.side,
      clock: this.#clock,
      log: this.#options.log,
      offlineAfterMs: welcome.offlineAfterMs ||
        (this.#options.offlineAfterMs ?? DEFAULT_OFFLINE_AFTER_MS),
      maxValueBytes: this.#maxValueBytes,
      events: {
        envelope: (envelope) => this.#streams.envelope(envelope),
        acks: (acks) => this.#streams.acks(acks),
        gone: (sessions) => this.#streams.gone(sessions),
        number: (streamState) => this.#streams.number(streamState),
        goodbye: (goodbye) => this.#goodbye(goodbye),
      },
    });
    this.#running = running;
    const ended = running.run(() =>
      this.#streams.resume(resumed ? peerPoints : undefined)
    );
    const end = await ended;
    if (this.#running === running) {
      this.#running = undefined;
      this.#expiresMs = this.#clock.monotonicMs() + this.#resumeWindowMs;
      this.#streams.keepUnsent(this.#expiresMs);
      this.#alarm.at(this.#expiresMs);
    }
    return end;
  }

  resumePoints(): StreamPoint[] {
    return this.#streams.points().map((point) =>
      create(StreamPointSchema, point)
    );
  }

  stats(): SessionStats {
    const { budget, roundTripMs } = this.#running ?? {};
    const streams = this.#streams;
    return {
      streamCount: streams.count,
      handlerCount: streams.handling.length,
      unackedBytes: streams.sum((each) => each.outbox.unackedBytes),
      bufferedBytes: streams.sum((each) => each.heldBytes),
      link: {
        bytesPerSecond: budget?.bytesPerSecond ?? 0,
        roundTripMs: roundTripMs ?? 0,
        budgetBytes: budget?.budgetBytes ?? 0,
        inFlightBytes: budget?.inFlightBytes ?? 0,
        packetBytes: budget?.packetBytes ?? 0,
      },
    };
  }

  close(
    error: AranyaError = new AranyaError(
      "unavailable",
      "Cannot go on: the session was closed",
    ),
  ): Promise<void> {
    if (!this.#closed) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#closed = { error, done: promise };
      this.#sayGoodbye(error).then(resolve, resolve);
    }
    return this.#closed.done;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #sayGoodbye(error: AranyaError): Promise<void> {
    const running = this.#running;
    this.#alarm.stop();
    this.#streams.lose(error, { unsent: true });
    if (running) {
      const reason = error.message.slice(0, MAX_REASON_LENGTH);
      running.sender.control(
        EnvelopeKind.GOODBYE,
        encodeMessage(GoodbyeSchema, { reason, instanceEnds: true }),
      );
      // The peer ends the link when it has read that.
      await this.#within(running.ended, GOODBYE_MS);
      running.end({ reason: `closed here: ${reason}` });
    }
    const { handling } = this.#streams;
    if (handling.length === 0) return;
    await this.#within(Promise.allSettled(handling), HANDLERS_MS);
  }

  /** Waits for this, but no longer than so many milliseconds. */
  async #within(work: Promise<unknown>, limitMs: number): Promise<void> {
    const done = new AbortController();
    const limit = this.#clock.sleep(limitMs, { signal: done.signal });
    await Promise.race([work, limit.catch(() => {})]);
    done.abort();
  }

  #goodbye({ reason, instanceEnds }: Goodbye): void {
    this.#running?.end({ reason: `${this.#peerName} said goodbye: ${reason}` });
    if (instanceEnds) this.#forgetPeer(`${this.#peerName} ended: ${reason}`);
  }

  #forgetPeer(state: string): void {
    this.#peerInstanceId = new Uint8Array(0);
    this.#streams.forgetPeer(unavailable(state));
  }

  /** Gives up what has waited too long for a link. */
  #expire(): void {
    if (this.#running) return;
    const seconds = Math.round(this.#resumeWindowMs / 1_000);
    const error = unavailable(
      `${this.#peerName} has not been connected for ${seconds} s`,
    );
    if (this.#expiresMs <= this.#clock.monotonicMs()) {
      this.#expiresMs = Infinity;
      this.#streams.lose(error, { unsent: false });
    }
    const nextMs = this.#streams.expireUnsent(error);
    this.#alarm.at(Math.min(this.#expiresMs, nextMs));
  }
}

function unavailable(state: string): AranyaError {
  return new AranyaError("unavailable", `Cannot go on: ${state}`);
}
