// SPDX-License-Identifier: Apache-2.0
/** A container's log from a stream of the session. */
import { AranyaError, asAranyaError } from "../../shared/base/mod.ts";
import type { Stream } from "../../shared/session/mod.ts";
import { CHANNEL } from "./pump.ts";

/** Options of {@linkcode openLog}. */
export interface OpenLogOptions {
  /** What an error's text begins with. */
  action: string;
  /** A log that says nothing and fails not for so long is taken to be there, in milliseconds. @default 2000 */
  quietMs?: number;
}

/**
 * Gives a log's bytes. Resolves with the first of them (an empty chunk counts: the device sends one to say that there is a log), with the
 * log's end, or after a while of silence; so an error in opening it can still become an HTTP status.
 * @throws {AranyaError} the device's error
 */
export async function openLog(
  stream: Stream,
  { action, quietMs = 2_000 }: OpenLogOptions,
): Promise<AsyncIterable<Uint8Array>> {
  const chunks = stream.read(CHANNEL.stdout)[Symbol.asyncIterator]();
  // The device reads nothing; its end of the log must not wait for ours.
  stream.end(CHANNEL.stdin).catch(() => {});
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
  let isOver = false;
  try {
    for (
      let next = await first;
      !next.done;
      next = await chunks.next()
    ) {
      if (next.value.length > 0) yield next.value;
    }
    // It may have been cut off rather than have come to its end.
    await stream.result;
    isOver = true;
  } finally {
    if (!isOver && !stream.signal.aborted) {
      stream.reset(
        new AranyaError("cancelled", "Cannot go on with log: its reader left"),
      );
    }
  }
}
