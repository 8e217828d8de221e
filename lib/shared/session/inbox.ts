// SPDX-License-Identifier: Apache-2.0
/** The receiving half of one channel. */
import { AranyaError, type Clock, Notifier } from "../base/mod.ts";
import { INITIAL_CREDIT_BYTES, toDataCost } from "../wire/mod.ts";

/** Upper bound of a channel's flow-control window, in bytes. */
export const MAX_WINDOW_BYTES = 4 * 1024 * 1024;
/** Added to the round trip when a window is checked for being too small, in milliseconds. */
const WINDOW_SLACK_MS = 20;

/** The link that a stream runs on at the moment. */
export interface LinkMeasure {
  /** Lowest known round-trip time, in milliseconds; 0 if it is unknown. */
  readonly roundTripMs: number;
}

/** Receives what an inbox has to report. */
export interface InboxListener {
  /** The credit has risen so far that the peer should know. */
  onCreditRisen(): void;
  /** The reader has seen the end of the channel, or has stopped early. */
  onReaderDone(): void;
}

/** Options of {@linkcode Inbox}. */
export interface InboxOptions {
  clock: Clock;
  link: LinkMeasure;
  listener: InboxListener;
}

/**
 * Holds what the peer has sent on one channel until the reader takes it. The pace of the reader
 * sets the credit: the peer may be ahead of it by one window. The window grows when it, rather than
 * the reader or the link, limits the rate.
 */
export class Inbox {
  readonly #options: InboxOptions;
  readonly #notifier = new Notifier();
  #chunks: Uint8Array[] = [];
  #heldBytes = 0;
  #receivedCost = 0;
  #consumedCost = 0;
  #credit = INITIAL_CREDIT_BYTES;
  #windowBytes = INITIAL_CREDIT_BYTES;
  /** Consumed cost and time when the current window began to be used. */
  #windowStart: { cost: number; ms: number };
  #reader: "none" | "reading" | "stopped" | "done" = "none";
  #end: { error?: AranyaError } | undefined;

  constructor(options: InboxOptions) {
    this.#options = options;
    this.#windowStart = { cost: 0, ms: options.clock.monotonicMs() };
  }

  /** Total cost of DATA that the peer may send. */
  get credit(): number {
    return this.#credit;
  }

  /** Received and not read yet, in bytes. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Whether a reader waits for more. */
  get isReading(): boolean {
    return this.#reader === "reading";
  }

  /**
   * Adds a chunk from the peer.
   * @throws {AranyaError} code "invalid" when the peer exceeds its credit or has ended the channel
   */
  push(chunk: Uint8Array): void {
    const cost = toDataCost(chunk.length);
    this.#receivedCost += cost;
    if (this.#receivedCost > this.#credit) {
      throw new AranyaError(
        "invalid",
        "Cannot receive data: the peer has exceeded its credit",
      );
    }
    if (this.#end) {
      throw new AranyaError(
        "invalid",
        "Cannot receive data: the peer has ended the channel",
      );
    }
    if (this.#reader === "stopped") return this.#consume(cost);
    this.#chunks.push(chunk);
    this.#heldBytes += chunk.length;
    this.#notifier.notify();
  }

  /**
   * Ends the channel. The reader gets the rest, or with an error only the error. Calls after the
   * first are ignored, except for the first one with an error.
   */
  end(error?: AranyaError): void {
    if (this.#end?.error || (this.#end && !error)) return;
    this.#end = error ? { error } : {};
    if (error) this.#dropChunks();
    this.#notifier.notify();
  }

  /** Returns the chunks, for a single reader. @throws {TypeError} when called twice */
  read(): AsyncIterable<Uint8Array> {
    if (this.#reader !== "none") {
      throw new TypeError("Cannot read channel: it has a reader already");
    }
    this.#reader = "reading";
    return {
      [Symbol.asyncIterator]: () => ({
        next: () => this.#next(),
        return: () => {
          this.#stopReading("stopped");
          return Promise.resolve({ done: true, value: undefined });
        },
      }),
    };
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk) {
        this.#heldBytes -= chunk.length;
        this.#consume(toDataCost(chunk.length));
        return { done: false, value: chunk };
      }
      if (this.#end) {
        const { error } = this.#end;
        this.#stopReading("done");
        if (error) throw error;
        return { done: true, value: undefined };
      }
      if (this.#reader !== "reading") return { done: true, value: undefined };
      await this.#notifier.wait();
    }
  }

  #stopReading(state: "stopped" | "done"): void {
    if (this.#reader !== "reading") return;
    this.#reader = state;
    this.#dropChunks();
    this.#notifier.notify();
    this.#options.listener.onReaderDone();
  }

  #dropChunks(): void {
    const cost = this.#chunks.reduce(
      (sum, chunk) => sum + toDataCost(chunk.length),
      0,
    );
    this.#chunks = [];
    this.#heldBytes = 0;
    if (cost > 0) this.#consume(cost);
  }

  #consume(cost: number): void {
    this.#consumedCost += cost;
    this.#growWindow();
    const credit = this.#consumedCost + this.#windowBytes;
    // Reported in steps of a quarter window: each report costs a packet.
    if (credit - this.#credit < this.#windowBytes / 4) return;
    this.#credit = credit;
    if (!this.#end) this.#options.listener.onCreditRisen();
  }

  /** Doubles the window when it was used up within about two round trips: it limits the rate. */
  #growWindow(): void {
    if (this.#consumedCost - this.#windowStart.cost < this.#windowBytes) return;
    const { clock, link } = this.#options;
    const nowMs = clock.monotonicMs();
    const elapsedMs = nowMs - this.#windowStart.ms;
    if (elapsedMs < 2 * link.roundTripMs + WINDOW_SLACK_MS) {
      this.#windowBytes = Math.min(MAX_WINDOW_BYTES, this.#windowBytes * 2);
    }
    this.#windowStart = { cost: this.#consumedCost, ms: nowMs };
  }
}
