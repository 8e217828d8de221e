// SPDX-License-Identifier: Apache-2.0
/** Links that wait to be taken by the listener's one reader. */
import type { Link } from "./link.ts";

/** See {@linkcode createLinkQueue}. */
export interface LinkQueue {
  /** Links in order of arrival; ends after `end`. One reader only. */
  readonly links: AsyncIterable<Link>;
  /** False when there is no room or the queue has ended. */
  push(link: Link): boolean;
  /** No more links. May be called twice. */
  end(): void;
}

/** Makes a queue for at most `maxCount` waiting links. Links that end while they wait are left out. */
export function createLinkQueue(maxCount: number): LinkQueue {
  const waiting = new Set<Link>();
  let ended = false;
  let wake: (() => void) | undefined;
  return {
    push(link) {
      if (ended || waiting.size >= maxCount) return false;
      waiting.add(link);
      void link.closed.then(() => waiting.delete(link));
      wake?.();
      return true;
    },
    end() {
      ended = true;
      wake?.();
    },
    links: {
      [Symbol.asyncIterator]: () => ({
        async next(): Promise<IteratorResult<Link>> {
          for (;;) {
            if (ended) return { done: true, value: undefined };
            const [link] = waiting;
            if (link) {
              waiting.delete(link);
              return { done: false, value: link };
            }
            await new Promise<void>((resolve) => wake = resolve);
            wake = undefined;
          }
        },
      }),
    },
  };
}
