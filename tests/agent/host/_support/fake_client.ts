// SPDX-License-Identifier: Apache-2.0
/** A client of exec and attach that sends a given input and records the outputs. */
import {
  concatBytes,
  fromUtf8,
  SYSTEM_CLOCK,
  utf8,
} from "../../../../lib/shared/base/mod.ts";
import type { ExecIo, TerminalSize } from "../../../../lib/shared/exec/mod.ts";

/** Options of {@linkcode FakeClient}. */
export interface FakeClientOptions {
  /** Sent one after the other, followed by EOF. Absent: the client has no stdin. */
  input?: (string | Uint8Array)[];
  /** Sizes of the terminal, sent one after the other. */
  sizes?: TerminalSize[];
  /** Whether each chunk of output takes a moment to be written. */
  isSlow?: boolean;
}

/** A client whose I/O is passed to a command. */
export class FakeClient {
  readonly io: ExecIo;
  readonly hasInput: boolean;
  readonly #connection = new AbortController();
  readonly #stdout: Uint8Array[] = [];
  readonly #stderr: Uint8Array[] = [];

  constructor({ input, sizes = [], isSlow = false }: FakeClientOptions = {}) {
    this.hasInput = input !== undefined;
    const record = (chunks: Uint8Array[]) => async (chunk: Uint8Array) => {
      if (isSlow) await SYSTEM_CLOCK.sleep(1);
      chunks.push(chunk);
    };
    this.io = {
      stdin: yieldEach(
        (input ?? []).map((one) => typeof one === "string" ? utf8(one) : one),
      ),
      stdout: record(this.#stdout),
      stderr: record(this.#stderr),
      resizes: yieldEach(sizes),
      signal: this.#connection.signal,
    };
  }

  /** Standard output so far. */
  get stdout(): string {
    return fromUtf8(this.stdoutBytes);
  }

  /** Standard output so far. */
  get stdoutBytes(): Uint8Array {
    return concatBytes(this.#stdout);
  }

  /** Standard error so far. */
  get stderr(): string {
    return fromUtf8(concatBytes(this.#stderr));
  }

  /** Closes the connection, as kubectl does at Ctrl-C. */
  disconnect(): void {
    this.#connection.abort();
  }
}

async function* yieldEach<T>(items: T[]): AsyncGenerator<T> {
  for (const item of items) {
    await Promise.resolve();
    yield item;
  }
}
