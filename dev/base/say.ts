// SPDX-License-Identifier: Apache-2.0
/** What the developers' programs say to the person at the terminal. */

const encoder = new TextEncoder();

/** Writes one line to standard output. */
export function say(line = ""): void {
  write(Deno.stdout, line + "\n");
}

/** Writes one line to standard error. */
export function warn(line: string): void {
  write(Deno.stderr, line + "\n");
}

/** Writes all of `text`, however little the stream takes at a time. */
export function write(
  stream: { writeSync(bytes: Uint8Array): number },
  text: string,
): void {
  let bytes = encoder.encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
}

/** What {@linkcode withProgress} hands to the work: says how far it is. */
export interface Progress {
  /** Sets the words after the title, e.g. `212 of 1893 packages`. */
  at(state: string): void;
}

/** A line at least this often when nobody watches on a terminal. */
const LINE_INTERVAL_MS = 10_000;
const REDRAW_INTERVAL_MS = 250;

/**
 * Runs `work` and shows on standard error what is done, how far it is and how long it takes:
 * one line redrawn on a terminal, otherwise a line every ten seconds.
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
    const result = await work({ at: (text) => state = text });
    state = "done";
    if (shown) show();
    return result;
  } finally {
    clearInterval(timer);
    if (shown && onTerminal) write(Deno.stderr, "\n");
  }
}

/** `95000` → `1m35s`. */
export function formatElapsed(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60
    ? `${seconds}s`
    : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
