// SPDX-License-Identifier: Apache-2.0
/** A bounded pipe between one writer and one reader; the promise of `write` is the back-pressure. */

/** See {@linkcode createPipe}. */
export interface Pipe<T> {
  /** What was written, in order; ends after `end`, throws after `fail`. One reader only; leaving the loop early fails the writer. */
  readonly readable: AsyncIterable<T>;
  /** Resolves when there is room for the next. @throws the reason when the reader left or `fail` was called */
  write(item: T): Promise<void>;
  /** Nothing more comes. May be called twice. */
  end(): void;
  /** Both sides see this error; what is still in the pipe is dropped. */
  fail(error: unknown): void;
}

/** Options of {@linkcode createPipe}. */
export interface PipeOptions<T> {
  /** How much may wait before `write` blocks. @default 1 item */
  capacity?: number;
  /** What an item counts. @default 1 */
  sizeOf?: (item: T) => number;
}

/** Makes a pipe. */
export function createPipe<T>(options: PipeOptions<T> = {}): Pipe<T> {
  const { capacity = 1, sizeOf = () => 1 } = options;
  const items: T[] = [];
  let held = 0;
  let ended = false;
  let failure: { error: unknown } | undefined;
  let wakeReader: (() => void) | undefined;
  let wakeWriters: (() => void)[] = [];

  const wakeAll = () => {
    wakeReader?.();
    const writers = wakeWriters;
    wakeWriters = [];
    for (const wake of writers) wake();
  };
  const fail = (error: unknown) => {
    if (failure || (ended && items.length === 0)) return;
    failure = { error };
    items.length = 0;
    held = 0;
    wakeAll();
  };
  return {
    async write(item) {
      if (failure) throw failure.error;
      if (ended) throw new TypeError("Cannot write to pipe: it has ended");
      items.push(item);
      held += sizeOf(item);
      wakeReader?.();
      while (held > capacity && !failure) {
        await new Promise<void>((resolve) => wakeWriters.push(resolve));
      }
      if (failure) throw (failure as { error: unknown }).error;
    },
    end() {
      ended = true;
      wakeReader?.();
    },
    fail,
    readable: {
      [Symbol.asyncIterator]: () => ({
        async next(): Promise<IteratorResult<T>> {
          for (;;) {
            if (failure) throw failure.error;
            if (items.length > 0) {
              const item = items.shift() as T;
              held -= sizeOf(item);
              if (held <= capacity) wakeAll();
              return { done: false, value: item };
            }
            if (ended) return { done: true, value: undefined };
            await new Promise<void>((resolve) => wakeReader = resolve);
            wakeReader = undefined;
          }
        },
        return(): Promise<IteratorResult<T>> {
          fail(new TypeError("Cannot write to pipe: its reader has left"));
          return Promise.resolve({ done: true, value: undefined });
        },
      }),
    },
  };
}
