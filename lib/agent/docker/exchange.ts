// SPDX-License-Identifier: Apache-2.0
/** One request and its response on a connection of the client's pool. */
import { AranyaError, onAbort } from "../../shared/base/mod.ts";
import { fromBrokenConnection } from "./errors.ts";
import type { HttpConnection } from "./http.ts";

/** Options of {@linkcode Exchange}. */
export interface ExchangeOptions {
  connection: HttpConnection;
  /** Whether the connection has served another exchange before. */
  isReused: boolean;
  /** `Cannot <verb> <object>`, for errors. */
  action: string;
  /** Aborts the exchange after this time, in milliseconds. */
  timeoutMs: number;
  /** Aborts the exchange. */
  signal: AbortSignal | undefined;
}

/**
 * One request and its response. A timeout, the caller's signal or `abort` ends it early: the
 * connection is closed, and pending reads and writes fail with the reason.
 */
export class Exchange {
  readonly isReused: boolean;
  readonly #action: string;
  readonly #listener: Disposable | undefined;
  #connection: HttpConnection;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #abortion: { reason: unknown } | undefined;
  #isReleased = false;

  constructor(options: ExchangeOptions) {
    const { connection, isReused, action, timeoutMs, signal } = options;
    this.isReused = isReused;
    this.#action = action;
    this.#connection = connection;
    this.#timer = setTimeout(() => {
      this.abort(
        new AranyaError(
          "timed_out",
          `${action}: no response from Docker after ${timeoutMs} ms`,
        ),
      );
    }, timeoutMs);
    this.#listener = onAbort(signal, (reason) => this.abort(reason));
  }

  /** The connection that it runs on now. */
  get connection(): HttpConnection {
    return this.#connection;
  }

  /** Whether it was ended early. */
  get isAborted(): boolean {
    return this.#abortion !== undefined;
  }

  /**
   * Ends the exchange early. Does nothing once the connection was released; the first reason stays.
   */
  abort(reason: unknown): void {
    if (this.#isReleased) return;
    this.#abortion ??= { reason };
    this.close();
  }

  /** Lifts the time limit. */
  stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Closes the current connection and continues on another one. */
  replaceConnection(connection: HttpConnection): void {
    this.#connection.close();
    this.#connection = connection;
    if (this.isAborted) connection.close();
  }

  /**
   * Returns the connection to the pool: from now on the exchange doesn't close it any more.
   * Returns false when the connection is closed already.
   */
  releaseConnection(): boolean {
    if (this.#connection.isClosed) return false;
    this.#isReleased = true;
    return true;
  }

  /**
   * Removes timer and listener, and closes a connection that was not released. May be called twice.
   */
  close(): void {
    this.stopTimer();
    this.#listener?.[Symbol.dispose]();
    if (!this.#isReleased) this.#connection.close();
  }

  /** Returns the error to throw to the caller: the reason of an abort, else one of this room's. */
  toCallerError(error: unknown): unknown {
    if (this.#abortion) return this.#abortion.reason;
    return error instanceof AranyaError
      ? error
      : fromBrokenConnection(error, this.#action);
  }

  /** Returns what `work` returns; translates its error with `toCallerError`. */
  async translateErrors<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw this.toCallerError(error);
    }
  }

  /** Yields what `items` yields; translates its error with `toCallerError`. */
  async *translateStreamErrors<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
    try {
      yield* items;
    } catch (error) {
      throw this.toCallerError(error);
    }
  }
}
