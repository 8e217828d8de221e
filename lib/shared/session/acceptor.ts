// SPDX-License-Identifier: Apache-2.0
/** Serves the streams that the peer opens. */
import {
  AranyaError,
  asAranyaError,
  type Clock,
  type Logger,
} from "../base/mod.ts";
import {
  decodeMessage,
  isStreamMethod,
  type Method,
  OpenSchema,
  toMethodName,
} from "../wire/mod.ts";
import type { LinkMeasure } from "./inbox.ts";
import { noChannelsError } from "./request.ts";
import type { SessionHandlers } from "./session.ts";
import { StreamHandle } from "./stream_handle.ts";
import type { StreamListener, StreamState } from "./stream_state.ts";

/** Upper bound of the fields of an OPEN: this version has three, later ones may have more. */
const MAX_OPEN_FIELD_COUNT = 64;

/** Knows which handlers are running, and what their requests hold. */
export interface HandlerTracker {
  /**
   * Counts a request of this many bytes as pending.
   * @throws {AranyaError} code "unavailable" when there is no room for it
   */
  reserveRequest(byteCount: number): void;
  /** Counts it no longer. */
  releaseRequest(byteCount: number): void;
  /** @throws {AranyaError} code "unavailable" when there is no room for a response */
  checkResponse(byteCount: number): void;
  /** Counts a handler until its promise resolves; it never rejects. */
  trackHandler(handler: Promise<void>): void;
}

/** Options of {@linkcode Acceptor}. */
export interface AcceptorOptions {
  stream: StreamState;
  clock: Clock;
  log: Logger;
  handlers: SessionHandlers;
  link: LinkMeasure;
  tracker: HandlerTracker;
  /** Upper bound of a response, in bytes. */
  maxSentBytes: number;
}

/**
 * Serves one stream: waits for its OPEN and calls the handler of its method. Is the listener of the
 * stream until a method with channels hands over to a `StreamHandle`.
 */
export class Acceptor implements StreamListener {
  readonly heldBytes = 0;
  readonly channelGrants: [] = [];
  readonly #options: AcceptorOptions;
  /** Aborted when the handler of a request need not continue. */
  readonly #controller = new AbortController();

  constructor(options: AcceptorOptions) {
    this.#options = options;
  }

  onOpenReceived(payload: Uint8Array): void {
    const { method, request, timeoutMs } = decodeMessage(OpenSchema, payload, {
      maxFieldCount: MAX_OPEN_FIELD_COUNT,
    });
    const { clock, tracker } = this.#options;
    const startMs = clock.monotonicMs();
    const { signal, done } = isStreamMethod(method)
      ? this.#serveStream(method, request)
      : this.#serveReserved(method, request);
    if (timeoutMs > 0) this.#resetAfter(timeoutMs, { method, signal });
    tracker.trackHandler(this.#settle(done, { method, startMs }));
  }

  /** Calls the handler of a method with channels. From here on the handle is the listener. */
  #serveStream(method: Method, request: Uint8Array): Handling {
    const { stream, clock, link, handlers } = this.#options;
    const handle = new StreamHandle({ stream, clock, link });
    stream.setListener(handle);
    stream.outbox.demote();
    const serve = async () => {
      await handlers.stream(method, request, handle);
      if (handle.isSettled) return;
      throw new AranyaError(
        "internal",
        `Cannot serve ${toMethodName(method)}: the handler returned no result`,
      );
    };
    return { signal: handle.signal, done: serve() };
  }

  /** Counts the request as pending until its handler has returned. */
  #serveReserved(method: Method, request: Uint8Array): Handling {
    const { tracker } = this.#options;
    tracker.reserveRequest(request.length);
    const { signal, done } = this.#serveRequest(method, request);
    return {
      signal,
      done: done.finally(() => tracker.releaseRequest(request.length)),
    };
  }

  #serveRequest(method: Method, request: Uint8Array): Handling {
    const { stream, handlers, maxSentBytes, tracker } = this.#options;
    const { signal } = this.#controller;
    const serve = async () => {
      const response = await handlers.request(method, request, signal);
      if (response.length > maxSentBytes) {
        throw new AranyaError(
          "too_large",
          `Cannot serve ${
            toMethodName(method)
          }: the response has ${response.length} bytes, expected at most ${maxSentBytes}`,
        );
      }
      tracker.checkResponse(response.length);
      stream.finish(response);
      this.#stopHandler();
    };
    return { signal, done: serve() };
  }

  /** Resets the stream at the peer's deadline, unless the handling ends before. */
  #resetAfter(
    timeoutMs: number,
    { method, signal }: { method: Method; signal: AbortSignal },
  ): void {
    const { stream, clock } = this.#options;
    clock.sleep(timeoutMs, { signal }).then(() => {
      const message = `Cannot serve ${
        toMethodName(method)
      }: not done after ${timeoutMs} ms`;
      stream.reset(new AranyaError("timed_out", message));
    }, () => {});
  }

  /** Waits for a handler, resets the stream if it fails, and writes one line to the log. */
  async #settle(
    done: Promise<void>,
    { method, startMs }: { method: Method; startMs: number },
  ): Promise<void> {
    const { stream, clock, log } = this.#options;
    const { id } = stream;
    const cmd = toMethodName(method);
    let outcome = {};
    try {
      await done;
    } catch (error) {
      const failure = asAranyaError(error, `Cannot serve ${cmd}`);
      stream.reset(failure);
      outcome = { code: failure.code, error: failure };
    }
    const ms = Math.round(clock.monotonicMs() - startMs);
    log.debug("stream served", { stream: id, cmd, ms, ...outcome });
  }

  #stopHandler(reason?: AranyaError): void {
    this.#controller.abort(
      reason ??
        new AranyaError(
          "cancelled",
          "Cannot continue request: the response was sent",
        ),
    );
  }

  onDataReceived(): void {
    throw noChannelsError();
  }

  onChannelEnded(): void {}

  onResultReceived(): void {}

  onResultDelivered(): void {
    this.#stopHandler();
  }

  onStreamFailed(error: AranyaError): void {
    this.#stopHandler(error);
  }
}

/** A handler at work. */
interface Handling {
  /** Aborted when the stream has ended. */
  signal: AbortSignal;
  done: Promise<void>;
}
