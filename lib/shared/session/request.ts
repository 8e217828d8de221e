// SPDX-License-Identifier: Apache-2.0
/** The opener's side of a request. */
import { AranyaError, type Clock, onAbort } from "../base/mod.ts";
import {
  encodeMessage,
  type Method,
  OpenSchema,
  toMethodName,
} from "../wire/mod.ts";
import type { RequestOptions } from "./session.ts";
import type { StreamListener, StreamState } from "./stream_state.ts";

/** Options of {@linkcode sendRequest}. */
export interface SendRequestOptions extends RequestOptions {
  clock: Clock;
  method: Method;
  payload: Uint8Array;
}

/**
 * Sends a request on a new stream and returns the response. When the time is up or the signal is
 * aborted, the stream is reset, so that the peer stops as well.
 * @throws {AranyaError} the error of the peer; "timed_out"; "cancelled"; the error of a lost stream
 */
export async function sendRequest(
  stream: StreamState,
  options: SendRequestOptions,
): Promise<Uint8Array> {
  const { clock, method, payload, timeoutMs, signal } = options;
  const action = options.action ??
    `Cannot get response to ${toMethodName(method)}`;
  const response = new PendingResponse();
  stream.setListener(response);
  using _listener = onAbort(signal, (reason) => {
    const message = `${action}: the request was cancelled`;
    stream.reset(new AranyaError("cancelled", message, { cause: reason }));
  });
  const expiresMs = clock.monotonicMs() + timeoutMs;
  stream.start(() => {
    // The peer measures what is left when the request leaves, which may be long after this call.
    const leftMs = Math.round(expiresMs - clock.monotonicMs());
    return encodeMessage(OpenSchema, {
      method,
      request: payload,
      timeoutMs: Math.max(1, leftMs),
    });
  });
  const settled = new AbortController();
  clock.sleep(timeoutMs, { signal: settled.signal }).then(() => {
    const message = `${action}: no answer after ${timeoutMs} ms`;
    stream.reset(new AranyaError("timed_out", message));
  }, () => {});
  try {
    return await response.promise;
  } finally {
    settled.abort();
  }
}

/** Turns the events of a stream into a promise of its RESULT. */
class PendingResponse implements StreamListener {
  readonly heldBytes = 0;
  readonly channelGrants: [] = [];
  readonly #response = Promise.withResolvers<Uint8Array>();

  constructor() {
    // It may reject before sendRequest awaits it.
    this.#response.promise.catch(() => {});
  }

  get promise(): Promise<Uint8Array> {
    return this.#response.promise;
  }

  onDataReceived(): void {
    throw noChannelsError();
  }

  onChannelEnded(): void {}

  onResultReceived(payload: Uint8Array): void {
    this.#response.resolve(payload);
  }

  onResultDelivered(): void {}

  onStreamFailed(error: AranyaError): void {
    this.#response.reject(error);
  }
}

/** Returns the error with which a stream is reset when DATA arrives for a request. */
export function noChannelsError(): AranyaError {
  return new AranyaError(
    "invalid",
    "Cannot receive data: a request has no channels",
  );
}
