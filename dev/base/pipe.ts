// SPDX-License-Identifier: Apache-2.0
/** A bounded in-memory pipe for tests and benchmarks. */
import { Notifier } from "../../lib/shared/base/mod.ts";

/** Options of {@linkcode Pipe}. */
export interface PipeOptions<T> {
  /** Sum of sizes that may be buffered before `write` blocks. @default 1 */
  capacity?: number;
  /** Returns the size of an item. @default 1 for each */
  sizeOf?: (item: T) => number;
}

/** Connects writers with one reader; the promise of `write` is the back-pressure. */
export class Pipe<T> {
  readonly #capacity: number;
  readonly #sizeOf: (item: T) => number;
  readonly #items: T[] = [];
  readonly #readable = new Notifier();
  #writers: (() => void)[] = [];
  #size = 0;
  #ended = false;
  #failure: { error: unknown } | undefined;

  /**
   * The items in order; ends after `end`, throws after `fail`. One reader only.
   * A reader that leaves its loop early fails the writers.
   */
  readonly readable: AsyncIterable<T> = {
    [Symbol.asyncIterator]: () => ({
      next: () => this.#read(),
      return: () => {
        this.fail(new TypeError("Cannot write to pipe: its reader has left"));
        return Promise.resolve({ done: true, value: undefined });
      },
    }),
  };

  constructor({ capacity = 1, sizeOf = () => 1 }: PipeOptions<T> = {}) {
    this.#capacity = capacity;
    this.#sizeOf = sizeOf;
  }

  /**
   * Adds an item. Resolves when there is room for the next one.
   * @throws {TypeError} after `end` or when the reader has left; the error of `fail`
   */
  async write(item: T): Promise<void> {
    if (this.#failure) throw this.#failure.error;
    if (this.#ended) throw new TypeError("Cannot write to pipe: it has ended");
    this.#items.push(item);
    this.#size += this.#sizeOf(item);
    this.#readable.notify();
    while (this.#size > this.#capacity && !this.#failure) {
      await new Promise<void>((resolve) => this.#writers.push(resolve));
    }
    if (this.#failure) throw (this.#failure as { error: unknown }).error;
  }

  /** Ends the pipe; buffered items can still be read. May be called twice. */
  end(): void {
    this.#ended = true;
    this.#readable.notify();
  }

  /** Fails both sides with this error and drops buffered items. */
  fail(error: unknown): void {
    if (this.#failure || (this.#ended && this.#items.length === 0)) return;
    this.#failure = { error };
    this.#items.length = 0;
    this.#size = 0;
    this.#readable.notify();
    this.#notifyWriters();
  }

  async #read(): Promise<IteratorResult<T>> {
    for (;;) {
      if (this.#failure) throw this.#failure.error;
      if (this.#items.length > 0) {
        const item = this.#items.shift() as T;
        this.#size -= this.#sizeOf(item);
        if (this.#size <= this.#capacity) this.#notifyWriters();
        return { done: false, value: item };
      }
      if (this.#ended) return { done: true, value: undefined };
      await this.#readable.wait();
    }
  }

  #notifyWriters(): void {
    const writers = this.#writers;
    this.#writers = [];
    for (const resolve of writers) resolve();
  }
}
