// SPDX-License-Identifier: Apache-2.0
/** The interfaces of a session, as other rooms see it. */
import type { AranyaError } from "../base/mod.ts";
import type { Link, LinkEnd } from "../link/mod.ts";
import type { Hello, Method, StreamPoint, Welcome } from "../wire/mod.ts";

/**
 * The streams between one operator process and one agent process, multiplexed over one link at a
 * time. A session outlives its links: streams continue on the next one if the peer is the same
 * process and the pause is shorter than 30 s; else they fail with code "unavailable".
 */
export interface Session extends AsyncDisposable {
  /**
   * Sends a request and returns the response. Waits for a link if there is none. Requests that are
   * pending at the same time may reach the peer's handler in any order.
   * @throws {AranyaError} the error of the peer with its code; "timed_out"; "cancelled";
   * "too_large"; "unavailable" when the peer or the session has ended
   */
  request(
    method: Method,
    payload: Uint8Array,
    options: RequestOptions,
  ): Promise<Uint8Array>;
  /** Opens a stream with channels. Aborting the signal resets it. */
  open(
    method: Method,
    payload: Uint8Array,
    options?: { signal?: AbortSignal },
  ): Stream;
  /**
   * Runs on this link until it ends; replaces the link on which the session runs, if any. Drops the
   * greeting's `peerPoints`, which it has used.
   */
  run(link: Link, greeting: Greeting): Promise<LinkEnd>;
  /**
   * Ends the current link, if there is one, with a GOODBYE that contains the reason. Streams wait
   * for the next link.
   */
  disconnect(reason: string): void;
  /** Whether the session runs on a link. */
  readonly connected: boolean;
  /** Length of the responses that the peer has not acknowledged, in bytes. */
  readonly responseBytes: number;
  /** Random bytes that identify this end; different for each Session object. */
  readonly instanceId: Uint8Array;
  /** Identifies the peer of the last link; empty before the first. */
  readonly peerInstanceId: Uint8Array;
  /** Returns what this side has received, for Hello and Welcome. */
  resumePoints(): StreamPoint[];
  /** Returns current figures, for metrics and tests. */
  stats(): SessionStats;
  /** Fails all streams with this error and closes the link. May be called twice. */
  close(error?: AranyaError): Promise<void>;
}

/** Result of the hello exchange, from `greetAsAgent` or `greetAsOperator`. */
export interface Greeting {
  /** First packet of the agent. */
  hello: Hello;
  /** The operator's reply. */
  welcome: Welcome;
  /** Highest protocol version that both sides support. */
  protocolVersion: number;
  /** Capabilities that both sides have announced. */
  capabilities: string[];
  /** Capabilities announced by the peer, including ones that this side doesn't know. */
  peerCapabilities: string[];
  /** Identifies the process of the peer. */
  peerInstanceId: Uint8Array;
  /** How far the peer has received each stream. */
  peerPoints: StreamPoint[];
}

/** Current figures of a session. An idle session has zeros, except for those of the link. */
export interface SessionStats {
  /** Streams of either side that are open, or whose end the peer hasn't acknowledged. */
  streamCount: number;
  /** Handlers that haven't returned. */
  handlerCount: number;
  /** Sent and not acknowledged; kept to be sent again. */
  unackedBytes: number;
  /** Received and not read yet, including incomplete values. */
  bufferedBytes: number;
  /** The current link; zeros if there is none. */
  link: {
    /** Measured rate of sending. */
    bytesPerSecond: number;
    /** Lowest known round-trip time. */
    roundTripMs: number;
    /** Upper bound of `inFlightBytes`. */
    budgetBytes: number;
    /** Sent on this link and not acknowledged. */
    inFlightBytes: number;
    /** Size of the packets that large values are cut into. */
    packetBytes: number;
  };
}

/** Options of {@linkcode Session.request}. */
export interface RequestOptions {
  /** Upper bound of the whole exchange, in milliseconds, including the wait for a link. */
  timeoutMs: number;
  /**
   * `Cannot <verb> <object>`, for the texts of timeout and cancellation.
   * @default "Cannot get response to <method>"
   */
  action?: string;
  /** Cancels the request, and stops the handler of the peer. */
  signal?: AbortSignal;
}

/** A stream with numbered byte channels in both directions, and a result. */
export interface Stream {
  /**
   * Returns what the peer sends on this channel. Ends with the channel or with the result; throws
   * if the stream fails. One reader per channel; leaving the loop early drops the rest. What was
   * written as a chunk of at most 256 bytes, also an empty one, arrives as one chunk.
   */
  read(channel: number): AsyncIterable<Uint8Array>;
  /**
   * Writes a chunk. Resolves when the flow control of the peer's reader allows the next one.
   * @throws {AranyaError} when the stream or the channel has ended
   */
  write(channel: number, chunk: Uint8Array): Promise<void>;
  /** Ends this channel in the direction to the peer (half-close). */
  end(channel: number): Promise<void>;
  /**
   * At the opener: the result that the acceptor has sent. Resolves when every reader has read its
   * channel to the end; a channel without a reader doesn't delay it. Rejects if the stream fails;
   * the rejection may be left unhandled.
   */
  readonly result: Promise<Uint8Array>;
  /** At the acceptor: sends the result after all chunks. Resolves when the peer has everything. */
  finish(result: Uint8Array): Promise<void>;
  /** Ends both directions immediately with this error. May be called twice. */
  reset(error: AranyaError): void;
  /** Aborted when the stream has ended for any reason. */
  readonly signal: AbortSignal;
}

/** Serves the streams that the peer opens. */
export interface SessionHandlers {
  /**
   * Returns the response to a request. A rejection is sent as its code and message. The signal is
   * aborted at the peer's deadline, and when the stream has ended.
   */
  request(
    method: Method,
    payload: Uint8Array,
    signal: AbortSignal,
  ): Promise<Uint8Array>;
  /**
   * Serves a stream with channels. Must call `finish`; a rejection resets the stream with that
   * error.
   */
  stream(method: Method, payload: Uint8Array, stream: Stream): Promise<void>;
}
