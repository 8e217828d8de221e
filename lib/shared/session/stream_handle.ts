// SPDX-License-Identifier: Apache-2.0
/** A stream with channels, as its user holds it. */
import { AranyaError, type Clock } from "../base/mod.ts";
import { MAX_CHANNEL_COUNT } from "../wire/mod.ts";
import { Inbox, type InboxListener, type LinkMeasure } from "./inbox.ts";
import type { ChannelGrant } from "./outbox.ts";
import type { Stream } from "./session.ts";
import type { StreamListener, StreamState } from "./stream_state.ts";

/** Options of {@linkcode StreamHandle}. */
export interface StreamHandleOptions {
  stream: StreamState;
  clock: Clock;
  link: LinkMeasure;
}

/** Implements {@linkcode Stream} at both ends, as the listener of its stream. */
export class StreamHandle implements Stream, StreamListener, InboxListener {
  readonly #options: StreamHandleOptions;
  readonly #stream: StreamState;
  /** By channel; created when the channel is first read or written to by the peer. */
  readonly #inboxes = new Map<number, Inbox>();
  readonly #controller = new AbortController();
  readonly #result = Promise.withResolvers<Uint8Array>();
  /** The RESULT, received or queued. */
  #resultPayload: Uint8Array | undefined;
  #error: AranyaError | undefined;
  /** Whether the result is resolved or rejected. */
  #isEnded = false;

  constructor(options: StreamHandleOptions) {
    this.#options = options;
    this.#stream = options.stream;
    // A user that only reads need not handle the result.
    this.#result.promise.catch(() => {});
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get result(): Promise<Uint8Array> {
    return this.#result.promise;
  }

  /** Whether the RESULT is known, or there will be none. */
  get isSettled(): boolean {
    return this.#isEnded || this.#resultPayload !== undefined;
  }

  get heldBytes(): number {
    let sum = 0;
    for (const inbox of this.#inboxes.values()) sum += inbox.heldBytes;
    return sum;
  }

  get channelGrants(): ChannelGrant[] {
    return Array.from(
      this.#inboxes,
      ([channel, { credit }]) => ({ channel, credit }),
    );
  }

  read(channel: number): AsyncIterable<Uint8Array> {
    return this.#inbox(channel).read();
  }

  write(channel: number, chunk: Uint8Array): Promise<void> {
    const error = this.#writeError(channel);
    if (error) return rejected(error);
    const written = this.#stream.outbox.write(channel, chunk);
    this.#stream.notifySender();
    return written;
  }

  end(channel: number): Promise<void> {
    if (this.#error) return rejected(this.#error);
    if (!this.isSettled) {
      this.#stream.outbox.endChannel(channel);
      this.#stream.notifySender();
    }
    return Promise.resolve();
  }

  finish(result: Uint8Array): Promise<void> {
    if (this.#error) return rejected(this.#error);
    if (this.#stream.isOpener) {
      return rejected(
        new AranyaError(
          "internal",
          "Cannot finish stream: only the side that accepted it may do so",
        ),
      );
    }
    if (!this.isSettled) {
      this.#resultPayload = result;
      this.#stream.finish(result);
      // What the opener still sends is dropped, so readers need not wait for it.
      this.#endInboxes();
    }
    return this.#result.promise.then(() => {});
  }

  reset(error: AranyaError): void {
    this.#stream.reset(error);
    // The stream may be closed already, with chunks left to read.
    this.onStreamFailed(error);
  }

  onDataReceived(channel: number, bytes: Uint8Array): void {
    this.#inbox(channel).push(bytes);
  }

  onChannelEnded(channel: number): void {
    this.#inbox(channel).end();
  }

  onResultReceived(payload: Uint8Array): void {
    this.#resultPayload = payload;
    this.#endInboxes();
    this.#resolveResult();
  }

  onResultDelivered(): void {
    this.#resolveResult();
  }

  onStreamFailed(error: AranyaError): void {
    if (this.#isEnded) return;
    this.#error = error;
    this.#endInboxes(error);
    this.#result.reject(error);
    this.#markEnded();
  }

  onCreditRisen(): void {
    this.#stream.reportCredit();
  }

  onReaderDone(): void {
    // At the acceptor only the delivery counts.
    if (this.#stream.isOpener) this.#resolveResult();
  }

  #endInboxes(error?: AranyaError): void {
    for (const inbox of this.#inboxes.values()) inbox.end(error);
  }

  /** Resolves the result, at the opener once every reader has seen the end of its channel. */
  #resolveResult(): void {
    if (this.#isEnded || !this.#resultPayload) return;
    for (const inbox of this.#inboxes.values()) {
      if (this.#stream.isOpener && inbox.isReading) return;
    }
    this.#result.resolve(this.#resultPayload);
    this.#markEnded();
  }

  #markEnded(): void {
    this.#isEnded = true;
    this.#controller.abort(this.#error ?? endedError());
  }

  /** Returns why nothing may be written on a channel, if so. */
  #writeError(channel: number): AranyaError | undefined {
    if (this.#error) return this.#error;
    if (this.isSettled) return endedError();
    if (!this.#stream.outbox.isChannelEnded(channel)) return undefined;
    return new AranyaError(
      "internal",
      `Cannot write to channel ${channel}: it was ended`,
    );
  }

  #inbox(channel: number): Inbox {
    let inbox = this.#inboxes.get(channel);
    if (inbox) return inbox;
    if (this.#inboxes.size >= MAX_CHANNEL_COUNT) {
      throw new AranyaError(
        "invalid",
        `Cannot use channel ${channel}: the stream has ${MAX_CHANNEL_COUNT} channels already`,
      );
    }
    const { clock, link } = this.#options;
    inbox = new Inbox({ clock, link, listener: this });
    if (this.#error || this.isSettled) inbox.end(this.#error);
    this.#inboxes.set(channel, inbox);
    return inbox;
  }
}

function endedError(): AranyaError {
  return new AranyaError("cancelled", "Cannot use stream: it has ended");
}

/** Returns a rejected promise that may be left unhandled. */
function rejected(error: AranyaError): Promise<never> {
  const promise = Promise.reject(error);
  promise.catch(() => {});
  return promise;
}
