// SPDX-License-Identifier: Apache-2.0
/** One request and its answer: who may end it early, and what its reader is told then. */
import { AranyaError } from "../../shared/base/mod.ts";
import { fromBrokenConnection } from "./errors.ts";
import type { HttpConnection } from "./http.ts";

/** Options of {@linkcode Exchange}. */
export interface ExchangeOptions {
  connection: HttpConnection;
  /** The connection has served another exchange before. */
  reused: boolean;
  /** `Cannot <verb> <object>`, for errors. */
  action: string;
  /** Ends it after this time, in milliseconds. */
  timeoutMs: number;
  signal: AbortSignal | undefined;
}

/** Ends by time, by the caller's signal, or by `close`; the connection goes with it unless it was released. */
export class Exchange {
  connection: HttpConnection;
  readonly reused: boolean;
  readonly #action: string;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #end: { reason: unknown } | undefined;
  #released = false;

  constructor(options: ExchangeOptions) {
    const { connection, reused, action, timeoutMs, signal } = options;
    this.connection = connection;
    this.reused = reused;
    this.#action = action;
    this.#signal = signal;
    this.#onAbort = () => this.kill(signal?.reason);
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    this.#timer = setTimeout(() =>
      this.kill(
        new AranyaError(
          "timed_out",
          `${action}: no answer from Docker after ${timeoutMs} ms`,
        ),
      ), timeoutMs);
    if (signal?.aborted) this.#onAbort();
  }

  /** Whether it was ended early. */
  get ended(): boolean {
    return this.#end !== undefined;
  }

  /** Ends it with this reason; pending reads and writes reject with it. */
  kill(reason: unknown): void {
    if (this.#released) return;
    this.#end ??= { reason };
    this.close();
  }

  /** No time limit from here on. */
  clearTimeout(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Goes on with another connection. */
  replace(connection: HttpConnection): void {
    this.connection.close();
    this.connection = connection;
    if (this.#end) connection.close();
  }

  /** Gives the connection back for another exchange; false when it was ended before. */
  release(): boolean {
    if (this.connection.closed) return false;
    this.#released = true;
    return true;
  }

  /** Forgets timer and signal, and closes the connection unless it was released. May be called twice. */
  close(): void {
    this.clearTimeout();
    this.#signal?.removeEventListener("abort", this.#onAbort);
    if (!this.#released) this.connection.close();
  }

  /** What the reader is told about this failure. */
  translate(error: unknown): unknown {
    if (this.#end) return this.#end.reason;
    return error instanceof AranyaError
      ? error
      : fromBrokenConnection(error, this.#action);
  }

  /** The work's result, its failure translated. */
  async guard<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw this.translate(error);
    }
  }

  /** The same for many. */
  async *guardEach<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
    try {
      yield* items;
    } catch (error) {
      throw this.translate(error);
    }
  }
}
