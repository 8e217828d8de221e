// SPDX-License-Identifier: Apache-2.0
/** An input without content. */

/** A stream that ends at once; may be read any number of times. */
export const EMPTY_STREAM: AsyncIterable<never> = {
  [Symbol.asyncIterator]: () => ({
    next: () => Promise.resolve({ done: true, value: undefined }),
  }),
};
