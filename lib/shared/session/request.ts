// SPDX-License-Identifier: Apache-2.0
/** What is asked of the peer, and what the peer asks: one opening word each, then an answer or a stream. */
import {
  AranyaError,
  asAranyaError,
  type Clock,
  type Logger,
} from "../base/mod.ts";
import {
  decodeMessage,
  encodeMessage,
  isStreamMethod,
  type Method,
  OpenSchema,
  toMethodName,
} from "../wire/mod.ts";
import type { StreamEvents, StreamState } from "./stream_state.ts";
import type { RequestOptions, SessionHandlers } from "./session.ts";
import { StreamHandle } from "./stream_handle.ts";

/** Options of {@linkcode askPeer}. */
export interface AskPeerOptions extends RequestOptions {
  clock: Clock;
  method: Method;
  payload: Uint8Array;
  /** Makes the streamState; it sends as soon as there is a link. */
  open: (events: StreamEvents) => StreamState;
}

/** Asks once and waits for the answer, at most for the time given; cancelled or late, the peer is told to stop. */
export async function askPeer(options: AskPeerOptions): Promise<Uint8Array> {
  const { clock, method, payload, timeoutMs, signal } = options;
  const action = options.action ??
    `Cannot get answer to ${toMethodName(method)}`;
  const cancelled = () =>
    new AranyaError("cancelled", `${action}: the request was cancelled`, {
      cause: signal?.reason,
    });
  if (signal?.aborted) throw cancelled();
  const answer = Promise.withResolvers<Uint8Array>();
  answer.promise.catch(() => {});
  const streamState = options.open({
    data: refuseData,
    ended() {},
    resulted: answer.resolve,
    finished() {},
    failed: answer.reject,
    credits: () => [],
    heldBytes: 0,
  });
  const dueMs = clock.monotonicMs() + timeoutMs;
  streamState.outbox.open(() =>
    encodeMessage(OpenSchema, {
      method,
      request: payload,
      timeoutMs: Math.max(1, Math.round(dueMs - clock.monotonicMs())),
    })
  );
  streamState.changed();
  const settled = new AbortController();
  const text = `${action}: no answer after ${timeoutMs} ms`;
  clock.sleep(timeoutMs, { signal: settled.signal }).then(
    () => streamState.reset(new AranyaError("timed_out", text)),
    () => {},
  );
  const onAbort = () => streamState.reset(cancelled());
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await answer.promise;
  } finally {
    settled.abort();
    signal?.removeEventListener("abort", onAbort);
  }
}

/** Options of {@linkcode Acceptor}. */
export interface AcceptorOptions {
  clock: Clock;
  log: Logger;
  handlers: SessionHandlers;
  maxValueBytes: number;
  roundTripMs: () => number;
  /** Counts this handler until it returns. */
  track: (handling: Promise<void>) => void;
}

/** One streamState that the peer has opened: waits for its opening word, then hands it to the handlers. */
export class Acceptor implements StreamEvents {
  readonly #options: AcceptorOptions;
  readonly #controller = new AbortController();
  #streamState: StreamState | undefined;
  #stream: StreamHandle | undefined;

  constructor(options: AcceptorOptions) {
    this.#options = options;
  }

  /** Comes before everything else. */
  attach(streamState: StreamState): void {
    this.#streamState = streamState;
  }

  get heldBytes(): number {
    return this.#stream?.heldBytes ?? 0;
  }

  opened(bytes: Uint8Array): void {
    const { method, request, timeoutMs } = decodeMessage(OpenSchema, bytes);
    const { clock, log, track } = this.#options;
    const beginMs = clock.monotonicMs();
    const work = isStreamMethod(method)
      ? this.#serve(method, request)
      : this.#answer(method, request);
    const stream = this.#streamState?.id ?? 0;
    if (timeoutMs > 0) this.#limit({ method, timeoutMs });
    track(
      work.then(() => ({}), (error) => {
        const failure = asAranyaError(
          error,
          `Cannot serve ${toMethodName(method)}`,
        );
        this.#streamState?.reset(failure);
        return { code: failure.code, error: failure };
      }).then((outcome) => {
        const ms = Math.round(clock.monotonicMs() - beginMs);
        const cmd = toMethodName(method);
        log.debug("stream served", { stream, cmd, ms, ...outcome });
      }),
    );
  }

  async #serve(method: Method, request: Uint8Array): Promise<void> {
    const { clock, handlers, roundTripMs } = this.#options;
    const stream = new StreamHandle({ clock, roundTripMs });
    if (this.#streamState) stream.attach(this.#streamState);
    this.#streamState?.outbox.calm();
    this.#stream = stream;
    await handlers.stream(method, request, stream);
    if (stream.settled) return;
    throw new AranyaError(
      "internal",
      `Cannot serve ${toMethodName(method)}: its handler has given no result`,
    );
  }

  async #answer(method: Method, request: Uint8Array): Promise<void> {
    const { handlers, maxValueBytes } = this.#options;
    const answer = await handlers.request(
      method,
      request,
      this.#controller.signal,
    );
    if (answer.length > maxValueBytes) {
      throw new AranyaError(
        "too_large",
        `Cannot answer ${
          toMethodName(method)
        }: the answer has ${answer.length} bytes, expected at most ${maxValueBytes}`,
      );
    }
    this.#streamState?.finish(answer);
    this.#over();
  }

  /** Stops the handler when the asker will no longer wait. */
  #limit({ method, timeoutMs }: { method: Method; timeoutMs: number }): void {
    const { clock } = this.#options;
    clock.sleep(timeoutMs, { signal: this.#controller.signal }).then(() => {
      const error = new AranyaError(
        "timed_out",
        `Cannot serve ${toMethodName(method)}: not done after ${timeoutMs} ms`,
      );
      this.#streamState?.reset(error);
    }, () => {});
  }

  /** Ends the time limit; a handler that still listens learns nothing it needs. */
  #over(error?: AranyaError): void {
    this.#controller.abort(
      error ?? new AranyaError("cancelled", "Cannot go on: it is answered"),
    );
  }

  data(channel: number, bytes: Uint8Array): void {
    if (!this.#stream) return refuseData();
    this.#stream.data(channel, bytes);
  }

  ended(channel: number): void {
    this.#stream?.ended(channel);
  }

  resulted(): void {}

  finished(): void {
    this.#over();
    this.#stream?.finished();
  }

  failed(error: AranyaError): void {
    this.#over(error);
    this.#stream?.failed(error);
  }

  credits(): { channel: number; credit: number }[] {
    return this.#stream?.credits() ?? [];
  }
}

function refuseData(): void {
  throw new AranyaError(
    "invalid",
    "Cannot take data: the streamState has no channels",
  );
}
