// SPDX-License-Identifier: Apache-2.0
/** Reads what `kubectl get --watch --output-watch-events -o json` prints. */

/** Yields the JSON value of each line of a stream. */
export async function* readJsonLines<T>(
  stream: ReadableStream<Uint8Array>,
): AsyncGenerator<T> {
  let rest = "";
  for await (
    const text of stream.pipeThrough(
      new TextDecoderStream() as TransformStream<Uint8Array, string>,
    )
  ) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line) yield JSON.parse(line) as T;
  }
}
