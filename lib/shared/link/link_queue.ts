// SPDX-License-Identifier: Apache-2.0
/** Accepted links that wait for the listener's reader. */
import { Notifier } from "../base/mod.ts";
import type { Link } from "./link.ts";

/** A bounded queue of links with one reader. A link that ends before it is read is dropped. */
export class LinkQueue {
  readonly #maxCount: number;
  readonly #queued = new Set<Link>();
  readonly #readable = new Notifier();
  #hasEnded = false;

  /** Links in order of arrival; ends after `end`. One reader only. */
  readonly links: AsyncIterable<Link> = {
    [Symbol.asyncIterator]: () => ({ next: () => this.#read() }),
  };

  /** @param maxCount upper bound of queued links */
  constructor(maxCount: number) {
    this.#maxCount = maxCount;
  }

  /** Adds a link. Returns false when the queue is full or has ended. */
  push(link: Link): boolean {
    if (this.#hasEnded || this.#queued.size >= this.#maxCount) return false;
    this.#queued.add(link);
    void link.closed.then(() => this.#queued.delete(link));
    this.#readable.notify();
    return true;
  }

  /** Ends the queue; links that were not read are dropped. May be called twice. */
  end(): void {
    this.#hasEnded = true;
    this.#readable.notify();
  }

  async #read(): Promise<IteratorResult<Link>> {
    for (;;) {
      if (this.#hasEnded) return { done: true, value: undefined };
      const [link] = this.#queued;
      if (link) {
        this.#queued.delete(link);
        return { done: false, value: link };
      }
      await this.#readable.wait();
    }
  }
}
