// SPDX-License-Identifier: Apache-2.0
/** What a session is, as the rooms above see it. */
import type { AranyaError } from "../base/mod.ts";
import type { Link, LinkEnd } from "../connectivity/mod.ts";
import type { Method, Welcome } from "../wire/mod.ts";

/** Many conversations between one operator process and one agent process; it outlives the links it runs on. Same code at both ends. */
export interface Session extends AsyncDisposable {
  /**
   * Sends a request and gives the answer's bytes. Waits for a link when there is none, up to its time.
   * @throws {AranyaError} the peer's own error with its code; "timed_out"; "unavailable" when the session was closed
   */
  request(
    method: Method,
    payload: Uint8Array,
    options: RequestOptions,
  ): Promise<Uint8Array>;
  /** Opens a stream. Aborting the signal resets it. */
  open(
    method: Method,
    payload: Uint8Array,
    options?: { signal?: AbortSignal },
  ): Stream;
  /**
   * Runs on this link until it ends. A link that is attached while another one runs replaces it.
   * Conversations go on when the peer's instance is the same and less than 30 s have gone by, else they fail with "unavailable".
   */
  run(
    link: Link,
    greeting: {
      peerInstanceId: Uint8Array;
      welcome: Welcome;
      peerPoints: ResumePoint[];
    },
  ): Promise<LinkEnd>;
  /** Whether a link runs now. */
  readonly connected: boolean;
  /** What this side has received, for Hello and Welcome. */
  resumePoints(): ResumePoint[];
  /** Ends everything; conversations fail with this error. */
  close(error?: AranyaError): Promise<void>;
}

/** How far one conversation has come, as the receiver sees it. */
export interface ResumePoint {
  session: number;
  received: bigint;
  credit: bigint;
}

/** Options of {@linkcode Session.request}. */
export interface RequestOptions {
  /** For the whole exchange, in milliseconds. */
  timeoutMs: number;
  signal?: AbortSignal;
}

/** One stream: numbered byte channels both ways, then a result. */
export interface Stream {
  /** Bytes that the peer sends on this channel; ends at its END, throws when the stream was reset. One reader a channel. */
  read(channel: number): AsyncIterable<Uint8Array>;
  /** Sends bytes; the promise is the back-pressure, end to end. @throws {AranyaError} when the stream has ended */
  write(channel: number, chunk: Uint8Array): Promise<void>;
  /** Nothing more on this channel from us (half-close). */
  end(channel: number): Promise<void>;
  /** At the opener: the acceptor's last word, after every byte it sent has been delivered. Rejects when the stream was reset or lost. */
  readonly result: Promise<Uint8Array>;
  /** At the acceptor: says the last word and ends the stream once all is sent. */
  finish(result: Uint8Array): Promise<void>;
  /** Ends both directions at once with this error; may be called twice. */
  reset(error: AranyaError): void;
  /** Aborted when the stream has ended for whatever reason. */
  readonly signal: AbortSignal;
}

/** What a side does with conversations that the other one opens. */
export interface SessionHandlers {
  /** Answers a request. A rejection goes back as its code and message. The signal is aborted at the peer's deadline. */
  request(
    method: Method,
    payload: Uint8Array,
    signal: AbortSignal,
  ): Promise<Uint8Array>;
  /** Serves a stream; when the promise rejects, the stream is reset with that error. Must call `finish` itself. */
  stream(method: Method, payload: Uint8Array, stream: Stream): Promise<void>;
}
