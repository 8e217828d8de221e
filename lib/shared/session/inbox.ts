// SPDX-License-Identifier: Apache-2.0
/** What the peer sends on one channel of a stream, until the reader takes it; the reader's pace is the credit. */
import { AranyaError, type Clock } from "../base/mod.ts";
import { INITIAL_CREDIT_BYTES, toDataCost } from "../wire/mod.ts";

/** No channel's window grows beyond, in bytes. */
export const MAX_WINDOW_BYTES = 4 * 1024 * 1024;
/** Added to the round trip when it is judged whether a window is too small. */
const WINDOW_SLACK_MS = 20;

/** Options of {@linkcode Inbox}. */
export interface InboxOptions {
  clock: Clock;
  /** Of the link at this moment. */
  roundTripMs: () => number;
  /** The credit has risen so far that the peer should know. */
  onCredit: () => void;
  /** The reader has seen the end, or has left. */
  onDrained: () => void;
}

/** One channel's incoming side. */
export class Inbox {
  readonly #options: InboxOptions;
  #chunks: Uint8Array[] = [];
  #heldBytes = 0;
  #receivedCost = 0;
  #consumedCost = 0;
  #credit = INITIAL_CREDIT_BYTES;
  #windowBytes = INITIAL_CREDIT_BYTES;
  /** Cost consumed and time when the present window began to be used. */
  #lap: { cost: number; ms: number };
  #reader: "none" | "reading" | "left" | "done" = "none";
  #end: { error?: AranyaError } | undefined;
  #wake: (() => void) | undefined;

  constructor(options: InboxOptions) {
    this.#options = options;
    this.#lap = { cost: 0, ms: options.clock.monotonicMs() };
  }

  /** Cost of DATA up to which the peer may send. */
  get credit(): number {
    return this.#credit;
  }

  /** Received and not taken, in bytes. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Whether no reader waits for anything more. */
  get drained(): boolean {
    return this.#reader !== "reading";
  }

  /** Takes a chunk from the peer. @throws {AranyaError} code "invalid" when the peer has no credit for it, or had ended the channel */
  accept(chunk: Uint8Array): void {
    const cost = toDataCost(chunk.length);
    this.#receivedCost += cost;
    if (this.#receivedCost > this.#credit) {
      throw new AranyaError(
        "invalid",
        "Cannot receive data: the peer sent more than it had credit for",
      );
    }
    if (this.#end) {
      throw new AranyaError(
        "invalid",
        "Cannot receive data: the peer had ended the channel",
      );
    }
    if (this.#reader === "left") return this.#consume(cost);
    this.#chunks.push(chunk);
    this.#heldBytes += chunk.length;
    this.#wake?.();
  }

  /** Nothing more comes. With an error the reader sees it, and what is held is dropped. Only the first call counts, or one with an error. */
  end(error?: AranyaError): void {
    if (this.#end?.error || (this.#end && !error)) return;
    this.#end = error ? { error } : {};
    if (error) this.#drop();
    this.#wake?.();
  }

  /** The chunks, for one reader. @throws {TypeError} when there is a reader already */
  read(): AsyncIterable<Uint8Array> {
    if (this.#reader !== "none") {
      throw new TypeError("Cannot read channel: it has a reader already");
    }
    this.#reader = "reading";
    return {
      [Symbol.asyncIterator]: () => ({
        next: () => this.#next(),
        return: () => {
          this.#leave("left");
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
        this.#leave("done");
        if (error) throw error;
        return { done: true, value: undefined };
      }
      if (this.#reader !== "reading") return { done: true, value: undefined };
      await new Promise<void>((resolve) => this.#wake = resolve);
      this.#wake = undefined;
    }
  }

  #leave(how: "left" | "done"): void {
    if (this.#reader !== "reading") return;
    this.#reader = how;
    this.#drop();
    this.#wake?.();
    this.#options.onDrained();
  }

  #drop(): void {
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
    if (credit - this.#credit < this.#windowBytes / 4) return;
    this.#credit = credit;
    if (!this.#end) this.#options.onCredit();
  }

  /** Doubles a window that is used up within a round trip: there the window, not the link or the reader, sets the pace. */
  #growWindow(): void {
    if (this.#consumedCost - this.#lap.cost < this.#windowBytes) return;
    const nowMs = this.#options.clock.monotonicMs();
    const shortMs = 2 * this.#options.roundTripMs() + WINDOW_SLACK_MS;
    if (nowMs - this.#lap.ms < shortMs) {
      this.#windowBytes = Math.min(MAX_WINDOW_BYTES, this.#windowBytes * 2);
    }
    this.#lap = { cost: this.#consumedCost, ms: nowMs };
  }
}
