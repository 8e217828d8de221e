// SPDX-License-Identifier: Apache-2.0
/** Output of the developers' programs for the person at the terminal. */

const encoder = new TextEncoder();

/** Writes one line to standard output. */
export function print(line = ""): void {
  write(Deno.stdout, line + "\n");
}

/** Writes one line to standard error. */
export function warn(line: string): void {
  write(Deno.stderr, line + "\n");
}

/** Writes all of `text`, also to a stream that takes only part of it per call. */
export function write(
  stream: { writeSync(bytes: Uint8Array): number },
  text: string,
): void {
  let bytes = encoder.encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
}

/** Reports the progress of a task that {@linkcode withProgress} runs. */
export interface Progress {
  /** Replaces the text after the title, e.g. `212 of 1893 packages`. */
  update(state: string): void;
}

/** Interval of progress lines when standard error is not a terminal. */
const LINE_INTERVAL_MS = 10_000;
const REDRAW_INTERVAL_MS = 250;

/**
 * Runs `work` and shows its title, progress and duration on standard error:
 * on a terminal one line that is redrawn, otherwise one line every ten seconds.
 */
export async function withProgress<T>(
  title: string,
  work: (progress: Progress) => Promise<T>,
): Promise<T> {
  const onTerminal = Deno.stderr.isTerminal();
  const startMs = performance.now();
  let state = "";
  let shown = false;
  const line = () =>
    `${title}${state ? `: ${state}` : ""} (${
      formatElapsed(performance.now() - startMs)
    })`;
  const show = () => {
    shown = true;
    write(Deno.stderr, onTerminal ? `\r\x1b[K${line()}` : `${line()}\n`);
  };
  const timer = setInterval(
    show,
    onTerminal ? REDRAW_INTERVAL_MS : LINE_INTERVAL_MS,
  );
  try {
    const result = await work({ update: (text) => state = text });
    state = "done";
    if (shown) show();
    return result;
  } finally {
    clearInterval(timer);
    if (shown && onTerminal) write(Deno.stderr, "\n");
  }
}

/** Formats a duration: 95000 gives "1m35s". */
export function formatElapsed(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60
    ? `${seconds}s`
    : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
