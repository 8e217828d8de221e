// SPDX-License-Identifier: Apache-2.0
/** JSON objects one after the other, as the engine sends progress and events. */
import { AranyaError } from "../../shared/base/mod.ts";

const MAX_LINE_CHARS = 1024 * 1024;

/** One object per line; empty lines are skipped. @throws {AranyaError} "internal" for a line that is no JSON or too long */
export async function* readJsonLines<T>(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<T> {
  const decoder = new TextDecoder();
  let held = "";
  for await (const chunk of chunks) {
    const lines = (held + decoder.decode(chunk, { stream: true })).split("\n");
    held = lines.pop() ?? "";
    if (held.length > MAX_LINE_CHARS) throw unreadable(undefined);
    for (const line of lines) if (line.trim() !== "") yield parse<T>(line);
  }
  if (held.trim() !== "") yield parse<T>(held);
}

function parse<T>(line: string): T {
  try {
    return JSON.parse(line) as T;
  } catch (error) {
    throw unreadable(error);
  }
}

function unreadable(cause: unknown): AranyaError {
  return new AranyaError(
    "internal",
    "Cannot read answer of Docker: a line of it is not JSON",
    { cause },
  );
}
