// SPDX-License-Identifier: Apache-2.0
/**
 * Docker's multiplexed output of processes without a terminal
 * (Engine API, "Attach to a container", stream format; moby pkg/stdcopy):
 *
 *     +------+---+---+---+------------------+---------…
 *     | type | 0 | 0 | 0 | size, big-endian | payload
 *     +------+---+---+---+------------------+---------…
 *       1       3           4                 size bytes
 */
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
/** Errors of the engine itself, in the place of output; all types' bits. */
const SYSTEM_ERROR_TYPE = 3;

/** Takes the headers out. Payloads come out as they arrive, whole frames are never collected. */
export class Demuxer {
  readonly #header = new Uint8Array(HEADER_BYTES);
  readonly #view = new DataView(this.#header.buffer);
  #headerCount = 0;
  #left = 0;

  /** Whether the bytes so far end at a frame's end. */
  get complete(): boolean {
    return this.#left === 0 && this.#headerCount === 0;
  }

  /** The next bytes in, pieces of output out. @throws {AranyaError} code "internal" when it is not such a stream */
  push(chunk: Uint8Array): OutputPiece[] {
    const pieces: OutputPiece[] = [];
    for (let offset = 0; offset < chunk.length;) {
      if (this.#left === 0) {
        const count = Math.min(
          HEADER_BYTES - this.#headerCount,
          chunk.length - offset,
        );
        this.#header.set(
          chunk.subarray(offset, offset + count),
          this.#headerCount,
        );
        this.#headerCount += count;
        offset += count;
        if (this.#headerCount < HEADER_BYTES) break;
        this.#begin();
        continue;
      }
      const bytes = chunk.subarray(offset, offset + this.#left);
      offset += bytes.length;
      this.#left -= bytes.length;
      pieces.push({ stream: this.#stream, bytes });
    }
    return pieces;
  }

  get #stream(): OutputPiece["stream"] {
    return (this.#header[0] ?? 0) >= STDERR_TYPE ? "stderr" : "stdout";
  }

  #begin(): void {
    // The first byte is the type, the other three are 0; a line of a log has a header each, so this is kept cheap.
    if (this.#view.getUint32(0) & ~(SYSTEM_ERROR_TYPE << TYPE_SHIFT)) {
      throw new AranyaError(
        "internal",
        "Cannot read output of container: the engine sent no stream header",
      );
    }
    this.#left = this.#view.getUint32(SIZE_OFFSET);
    this.#headerCount = 0;
  }
}

/** Splits a whole multiplexed stream. Of what came together, neighbours of one output are one piece: a line of a log is a frame of its own. */
export async function* demux(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<OutputPiece> {
  const demuxer = new Demuxer();
  for await (const chunk of chunks) yield* joinNeighbours(demuxer.push(chunk));
}

function* joinNeighbours(pieces: OutputPiece[]): Generator<OutputPiece> {
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
