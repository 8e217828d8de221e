// SPDX-License-Identifier: Apache-2.0
/** What a session is, as the rooms above see it. */
import type { AranyaError } from "../base/mod.ts";
import type { Link, LinkEnd } from "../link/mod.ts";
import type { Hello, Method, StreamPoint, Welcome } from "../wire/mod.ts";

/** Many streams between one operator process and one agent process; it outlives the links it runs on. Same code at both ends. */
export interface Session extends AsyncDisposable {
  /**
   * Sends a request and gives the answer's bytes. Waits for a link when there is none, up to its time. Requests that are under way
   * together may reach the peer's handler in another order: what must come after is asked after the answer.
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
   * Streams go on when the peer's instance is the same and less than 30 s have gone by, else they fail with "unavailable".
   */
  run(link: Link, greeting: Greeting): Promise<LinkEnd>;
  /** Whether a link runs now. */
  readonly connected: boolean;
  /** Random bytes that name this process's end; new for each Session object. */
  readonly instanceId: Uint8Array;
  /** The other end that ran here last; empty before the first link. */
  readonly peerInstanceId: Uint8Array;
  /** What this side has received, for Hello and Welcome. */
  resumePoints(): StreamPoint[];
  /** Figures for tests and the metrics page. */
  stats(): SessionStats;
  /** Ends everything; streams fail with this error. */
  close(error?: AranyaError): Promise<void>;
}

/** What both ends told each other before a link carries streams; made by `greetAsAgent` and `greetAsOperator`. */
export interface Greeting {
  /** The agent's first packet. */
  hello: Hello;
  /** The operator's answer. */
  welcome: Welcome;
  /** Version of the protocol that both speak, and the highest they do. */
  protocolVersion: number;
  /** What both sides can do. */
  capabilities: string[];
  /** What only the other side says it can do is in here too. */
  peerCapabilities: string[];
  /** Which process the other end is. */
  peerInstanceId: Uint8Array;
  /** How far the other end has come with each stream. */
  peerPoints: StreamPoint[];
}

/** What a session holds at this moment; all zero but the link's figures when nothing is under way. */
export interface SessionStats {
  /** Streams of either side that are not over, or whose end the peer has not acknowledged. */
  streamCount: number;
  /** Handlers of the peer's streams that have not returned. */
  handlerCount: number;
  /** Sent and not acknowledged, kept for a resume. */
  unackedBytes: number;
  /** Received and not yet taken by a reader, or waiting for the rest of a value. */
  bufferedBytes: number;
  /** The running link: measured rate, shortest round trip, and how much may be under way. Zero without a link. */
  link: {
    bytesPerSecond: number;
    roundTripMs: number;
    budgetBytes: number;
    inFlightBytes: number;
    packetBytes: number;
  };
}

/** Options of {@linkcode Session.request}. */
export interface RequestOptions {
  /** For the whole exchange, in milliseconds. */
  timeoutMs: number;
  /** `Cannot <verb> <object>` for the texts of time-out and cancelling. @default "Cannot get answer to <method>" */
  action?: string;
  /** Gives up early; the peer is told to stop. */
  signal?: AbortSignal;
}

/** One stream: numbered byte channels both ways, then a result. */
export interface Stream {
  /**
   * Bytes that the peer sends on this channel; ends at its END or RESULT, throws when the stream was reset. One reader a channel; leaving
   * the loop early drops what else comes on it. A `write` of at most 256 bytes arrives as one chunk, an empty one too.
   */
  read(channel: number): AsyncIterable<Uint8Array>;
  /** Sends bytes; the promise is the back-pressure, end to end. @throws {AranyaError} when the stream has ended */
  write(channel: number, chunk: Uint8Array): Promise<void>;
  /** Nothing more on this channel from us (half-close). */
  end(channel: number): Promise<void>;
  /**
   * At the opener: the acceptor's last word. Resolves when every channel that has a reader has been read to its end, so nothing can come
   * after it; a channel without a reader does not hold it back. Rejects when the stream was reset or lost; that need not be handled.
   */
  readonly result: Promise<Uint8Array>;
  /** At the acceptor: says the last word after all that was written; resolves when the peer has it all. */
  finish(result: Uint8Array): Promise<void>;
  /** Ends both directions at once with this error; may be called twice. */
  reset(error: AranyaError): void;
  /** Aborted when the stream has ended for whatever reason. */
  readonly signal: AbortSignal;
}

/** What a side does with streams that the other one opens. */
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
