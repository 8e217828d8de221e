// SPDX-License-Identifier: Apache-2.0
/** Shows and keeps the output of a process. */
import { write } from "../base/terminal.ts";

/** Time to read the rest of the output after the process has ended, in milliseconds. */
const DRAIN_MS = 1000;

/** Where output is shown. */
export interface Screen {
  write(text: string): void;
  writeError(text: string): void;
  flush(): void;
}

/** Shows output at once. */
export const TERMINAL: Screen = {
  write: (text) => write(Deno.stdout, text),
  writeError: (text) => write(Deno.stderr, text),
  flush: () => {},
};

/** Shows everything, in its order, at {@linkcode flush}. */
export class BufferedScreen implements Screen {
  readonly #parts: (() => void)[] = [];

  write(text: string): void {
    this.#parts.push(() => TERMINAL.write(text));
  }

  writeError(text: string): void {
    this.#parts.push(() => TERMINAL.writeError(text));
  }

  flush(): void {
    for (const show of this.#parts.splice(0)) show();
  }
}

/** Shows what comes from a stream, and keeps it as text. */
export class OutputCopy {
  #text = "";
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  constructor(
    stream: ReadableStream<Uint8Array>,
    show: (text: string) => void,
  ) {
    const sink = new WritableStream<string>({
      write: (part) => {
        this.#text += part;
        show(part);
      },
    });
    this.#done = stream.pipeThrough(new TextDecoderStream())
      .pipeTo(sink, { signal: this.#stop.signal }).catch(() => {});
  }

  /**
   * Returns the text, to be called after the process has ended: a process that it left may hold the
   * pipe open.
   */
  async finish(): Promise<string> {
    const timer = setTimeout(() => this.#stop.abort(), DRAIN_MS);
    await this.#done;
    clearTimeout(timer);
    return this.#text;
  }
}
