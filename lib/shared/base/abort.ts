// SPDX-License-Identifier: Apache-2.0
/** Waits that an AbortSignal ends, without leaving listeners on signals that live on. */

/**
 * Calls `callback` with the signal's reason once the signal is aborted; at once when it already is.
 * Dispose the result to remove the listener. An absent signal is never aborted.
 */
export function onAbort(
  signal: AbortSignal | undefined,
  callback: (reason: unknown) => void,
): Disposable {
  const listener = () => callback(signal?.reason);
  if (signal?.aborted) listener();
  else signal?.addEventListener("abort", listener, { once: true });
  return {
    [Symbol.dispose]: () => signal?.removeEventListener("abort", listener),
  };
}

/**
 * Resolves or rejects as `work` does, or rejects with the signal's reason when that comes first.
 * The work itself is not stopped; its later rejection is ignored.
 */
export async function abortable<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (!signal) return await work;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  using _listener = onAbort(signal, reject);
  // Both may reject: the one that loses the race must not count as unhandled.
  work.catch(() => {});
  aborted.catch(() => {});
  return await Promise.race([aborted, work]);
}

/** Resolves when the signal is aborted; at once when it already is. Never rejects. */
export function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => onAbort(signal, () => resolve()));
}
