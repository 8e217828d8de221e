// SPDX-License-Identifier: Apache-2.0
/** Streams of JSON objects, one per line: the engine's progress and events. */
import { AranyaError } from "../../shared/base/mod.ts";

const MAX_LINE_CHARS = 1024 * 1024;

/**
 * Yields one object per line; skips empty lines.
 * @throws {AranyaError} code "internal" for a line that is not JSON or too long
 */
export async function* readJsonLines<T>(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<T> {
  const decoder = new TextDecoder();
  let partialLine = "";
  for await (const chunk of chunks) {
    const text = partialLine + decoder.decode(chunk, { stream: true });
    const lines = text.split("\n");
    partialLine = lines.pop() ?? "";
    if (partialLine.length > MAX_LINE_CHARS) {
      throw toLineError("it is too long");
    }
    for (const line of lines) if (line.trim() !== "") yield parse<T>(line);
  }
  if (partialLine.trim() !== "") yield parse<T>(partialLine);
}

function parse<T>(line: string): T {
  try {
    return JSON.parse(line) as T;
  } catch (error) {
    throw toLineError("it is not JSON", error);
  }
}

function toLineError(state: string, cause?: unknown): AranyaError {
  return new AranyaError(
    "internal",
    `Cannot read line of Docker's response: ${state}`,
    { cause },
  );
}
