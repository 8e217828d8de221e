// SPDX-License-Identifier: Apache-2.0
/** A container's log, read from a stream of the session. */
import { AranyaError, asAranyaError } from "../../shared/base/mod.ts";
import type { Stream } from "../../shared/session/mod.ts";
import { LOGS_CHANNELS } from "../../shared/wire/mod.ts";

/** Options of {@linkcode openLog}. */
export interface OpenLogOptions {
  /** What an error's message begins with. */
  action: string;
  /**
   * How long to wait for an early error before the log counts as open, in milliseconds.
   * @default 2000
   */
  quietMs?: number;
}

/**
 * Opens a log and returns its bytes. Resolves with the first chunk (the device sends an empty one
 * when it has opened the log), at the log's end, or after `quietMs` without either, so that an
 * error in opening the log can still become an HTTP status.
 * @throws {AranyaError} the device's error
 */
export async function openLog(
  stream: Stream,
  { action, quietMs = 2_000 }: OpenLogOptions,
): Promise<AsyncIterable<Uint8Array>> {
  const chunks = stream.read(LOGS_CHANNELS.log)[Symbol.asyncIterator]();
  // The device reads no input; closing ours lets its stream end as soon as the log does.
  stream.end(LOGS_CHANNELS.stdin).catch(() => {});
  const first = chunks.next();
  first.catch(() => {});
  const { promise: quiet, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, quietMs);
  try {
    const opened = await Promise.race([first, quiet]);
    if (opened?.done) await stream.result;
  } catch (error) {
    throw asAranyaError(error, action);
  } finally {
    clearTimeout(timer);
  }
  return { [Symbol.asyncIterator]: () => readOn({ stream, chunks, first }) };
}

async function* readOn(
  { stream, chunks, first }: {
    stream: Stream;
    chunks: AsyncIterator<Uint8Array>;
    first: Promise<IteratorResult<Uint8Array>>;
  },
): AsyncGenerator<Uint8Array> {
  let isComplete = false;
  try {
    for (
      let next = await first;
      !next.done;
      next = await chunks.next()
    ) {
      if (next.value.length > 0) yield next.value;
    }
    // The channel also ends when the stream was reset: only the result shows that the log is
    // complete.
    await stream.result;
    isComplete = true;
  } finally {
    if (!isComplete && !stream.signal.aborted) {
      stream.reset(
        new AranyaError("cancelled", "Cannot continue log: the client left"),
      );
    }
  }
}
