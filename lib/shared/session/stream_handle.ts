// SPDX-License-Identifier: Apache-2.0
/** A stream as its holder sees it: channels, a result, an end. See Stream in session.ts for what is promised. */
import { AranyaError, type Clock } from "../base/mod.ts";
import type { StreamEvents, StreamState } from "./stream_state.ts";
import { Inbox } from "./inbox.ts";
import type { Stream } from "./session.ts";

/** Channels of one stream, at most: each may hold a window. */
const MAX_CHANNELS = 16;

/** Options of {@linkcode StreamHandle}. */
export interface StreamHandleOptions {
  clock: Clock;
  roundTripMs: () => number;
}

/** Both ends' stream; `attach` gives it its streamState. */
export class StreamHandle implements Stream, StreamEvents {
  readonly #options: StreamHandleOptions;
  readonly #inboxes = new Map<number, Inbox>();
  readonly #controller = new AbortController();
  readonly #result = Promise.withResolvers<Uint8Array>();
  #streamState: StreamState | undefined;
  /** The last word of either side, while it is on its way to who waits for it. */
  #last: Uint8Array | undefined;
  #state: "live" | "ended" = "live";
  #error: AranyaError | undefined;

  constructor(options: StreamHandleOptions) {
    this.#options = options;
    // A holder who only reads need not look at the result.
    this.#result.promise.catch(() => {});
  }

  /** Comes before everything else. */
  attach(streamState: StreamState): void {
    this.#streamState = streamState;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get result(): Promise<Uint8Array> {
    return this.#result.promise;
  }

  /** Whether this side has said the last word, or nobody will any more. */
  get settled(): boolean {
    return this.#state === "ended" || this.#last !== undefined;
  }

  /** Received and not taken, in bytes. */
  get heldBytes(): number {
    let sum = 0;
    for (const inbox of this.#inboxes.values()) sum += inbox.heldBytes;
    return sum;
  }

  read(channel: number): AsyncIterable<Uint8Array> {
    return this.#inbox(channel).read();
  }

  write(channel: number, chunk: Uint8Array): Promise<void> {
    const refusal = this.#refusal(channel);
    if (refusal || !this.#streamState) return rejected(refusal ?? ENDED());
    const written = this.#streamState.outbox.write(channel, chunk);
    this.#streamState.changed();
    return written;
  }

  end(channel: number): Promise<void> {
    if (this.#error) return rejected(this.#error);
    if (!this.settled) {
      this.#streamState?.outbox.end(channel);
      this.#streamState?.changed();
    }
    return Promise.resolve();
  }

  finish(result: Uint8Array): Promise<void> {
    if (this.#error) return rejected(this.#error);
    if (this.#streamState?.opener) {
      return rejected(
        new AranyaError(
          "internal",
          "Cannot finish stream: its opener waits for the result and has none to give",
        ),
      );
    }
    if (!this.settled) {
      this.#last = result;
      this.#streamState?.finish(result);
      // Readers of what the opener still sends have nothing to wait for.
      for (const inbox of this.#inboxes.values()) inbox.end();
    }
    return this.#result.promise.then(() => {});
  }

  reset(error: AranyaError): void {
    this.#streamState?.reset(error);
    // The streamState may be over already while a reader still has something to take.
    this.failed(error);
  }

  data(channel: number, bytes: Uint8Array): void {
    this.#inbox(channel).accept(bytes);
  }

  ended(channel: number): void {
    this.#inbox(channel).end();
  }

  resulted(bytes: Uint8Array): void {
    this.#last = bytes;
    for (const inbox of this.#inboxes.values()) inbox.end();
    this.#settle();
  }

  finished(): void {
    this.#settle();
  }

  failed(error: AranyaError): void {
    if (this.#state === "ended") return;
    this.#error = error;
    for (const inbox of this.#inboxes.values()) inbox.end(error);
    this.#result.reject(error);
    this.#leave();
  }

  credits(): { channel: number; credit: number }[] {
    return Array.from(
      this.#inboxes,
      ([channel, { credit }]) => ({ channel, credit }),
    );
  }

  /** Gives the result when nobody has anything left to read. */
  #settle(): void {
    if (this.#state === "ended" || !this.#last) return;
    for (const inbox of this.#inboxes.values()) {
      if (this.#streamState?.opener && !inbox.drained) return;
    }
    this.#result.resolve(this.#last);
    this.#leave();
  }

  #leave(): void {
    this.#state = "ended";
    this.#controller.abort(this.#error ?? ENDED());
  }

  #refusal(channel: number): AranyaError | undefined {
    if (this.#error) return this.#error;
    if (this.settled) return ENDED();
    if (this.#streamState?.outbox.isEnded(channel)) {
      return new AranyaError(
        "internal",
        `Cannot write to stream: its channel ${channel} was ended`,
      );
    }
    return undefined;
  }

  #inbox(channel: number): Inbox {
    let inbox = this.#inboxes.get(channel);
    if (inbox) return inbox;
    if (this.#inboxes.size >= MAX_CHANNELS) {
      throw new AranyaError(
        "invalid",
        `Cannot use channel ${channel}: the stream has ${MAX_CHANNELS} others`,
      );
    }
    inbox = new Inbox({
      clock: this.#options.clock,
      roundTripMs: this.#options.roundTripMs,
      onCredit: () => this.#streamState?.creditRisen(),
      onDrained: () => this.#settle(),
    });
    if (this.#error || this.settled) inbox.end(this.#error);
    this.#inboxes.set(channel, inbox);
    return inbox;
  }
}

function ENDED(): AranyaError {
  return new AranyaError("cancelled", "Cannot use stream: it has ended");
}

/** A rejection that a caller may overlook without ending the process. */
function rejected(error: AranyaError): Promise<never> {
  const promise = Promise.reject(error);
  promise.catch(() => {});
  return promise;
}
