// SPDX-License-Identifier: Apache-2.0
/** Docker's multiplexed stream of a process's two outputs. */
import { AranyaError, concatBytes } from "../../shared/base/mod.ts";

/** Bytes of one of a process's outputs. */
export interface OutputPiece {
  stream: "stdout" | "stderr";
  bytes: Uint8Array;
}

const HEADER_BYTES = 8;
const SIZE_OFFSET = 4;
const TYPE_SHIFT = 24;
const STDERR_TYPE = 2;
/** An error of the engine in place of output. It is 3, so that it is the mask of all types too. */
const SYSTEM_ERROR_TYPE = 3;

/**
 * Decodes the multiplexed output of a process without a terminal, chunk by chunk
 * (Engine API, "Attach to a container", stream format; moby pkg/stdcopy):
 *
 *     +------+---+---+---+------------------+---------…
 *     | type | 0 | 0 | 0 | size, big-endian | payload
 *     +------+---+---+---+------------------+---------…
 *       1       3           4                 size bytes
 *
 * Payloads are returned as they arrive: frames are never collected.
 */
export class Demuxer {
  readonly #header = new Uint8Array(HEADER_BYTES);
  readonly #view = new DataView(this.#header.buffer);
  /** Bytes of the current header that have arrived. */
  #headerBytes = 0;
  /** Bytes of the current payload that have not arrived. */
  #missingBytes = 0;

  /** Whether the bytes so far end with a whole frame. */
  get isComplete(): boolean {
    return this.#missingBytes === 0 && this.#headerBytes === 0;
  }

  /**
   * Takes the next bytes of the stream and returns the output in them.
   * @throws {AranyaError} code "internal" when it is no such stream
   */
  push(chunk: Uint8Array): OutputPiece[] {
    const pieces: OutputPiece[] = [];
    for (let offset = 0; offset < chunk.length;) {
      if (this.#missingBytes === 0) {
        const count = Math.min(
          HEADER_BYTES - this.#headerBytes,
          chunk.length - offset,
        );
        this.#header.set(
          chunk.subarray(offset, offset + count),
          this.#headerBytes,
        );
        this.#headerBytes += count;
        offset += count;
        if (this.#headerBytes < HEADER_BYTES) break;
        this.#decodeHeader();
        continue;
      }
      const bytes = chunk.subarray(offset, offset + this.#missingBytes);
      offset += bytes.length;
      this.#missingBytes -= bytes.length;
      pieces.push({ stream: this.#stream, bytes });
    }
    return pieces;
  }

  get #stream(): OutputPiece["stream"] {
    return (this.#header[0] ?? 0) >= STDERR_TYPE ? "stderr" : "stdout";
  }

  #decodeHeader(): void {
    // One comparison checks type and zeros: each line of a log has a header.
    if (this.#view.getUint32(0) & ~(SYSTEM_ERROR_TYPE << TYPE_SHIFT)) {
      throw new AranyaError(
        "internal",
        "Cannot read output of container: invalid stream header",
      );
    }
    this.#missingBytes = this.#view.getUint32(SIZE_OFFSET);
    this.#headerBytes = 0;
  }
}

/**
 * Decodes a whole multiplexed stream. Adjacent pieces of one output that arrived together are
 * yielded as one, since the engine makes a frame of each line of a log.
 * @throws {AranyaError} code "internal" when it is no such stream, "unavailable" when it ends in
 * the middle of a frame
 */
export async function* demux(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<OutputPiece> {
  const demuxer = new Demuxer();
  for await (const chunk of chunks) yield* mergeAdjacent(demuxer.push(chunk));
  if (!demuxer.isComplete) {
    throw new AranyaError(
      "unavailable",
      "Cannot read output of container: the stream ended in the middle of a frame",
    );
  }
}

function* mergeAdjacent(pieces: OutputPiece[]): Generator<OutputPiece> {
  for (let start = 0; start < pieces.length;) {
    const stream = pieces[start]?.stream ?? "stdout";
    let end = start;
    while (pieces[end]?.stream === stream) end++;
    const run = pieces.slice(start, end).map(({ bytes }) => bytes);
    const [only = new Uint8Array()] = run;
    yield { stream, bytes: run.length === 1 ? only : concatBytes(run) };
    start = end;
  }
}
