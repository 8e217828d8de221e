// SPDX-License-Identifier: Apache-2.0
/**
 * Building blocks without any knowledge of the project's domain: errors, logger, metrics interface,
 * clock, aborts and deadlines, back-off and retries, queues, scopes, end points, bytes and texts.
 * Plain values come in and go out. This room never opens a connection or a file, and knows no
 * protocol, no Kubernetes and no devices.
 *
 * @example
 * ```ts
 * const backoff = createBackoff({ initialDelayMs: 500, maxDelayMs: 15_000 });
 * try {
 *   return await withDeadline(work, { timeoutMs: 5_000, action: "Cannot get pod" });
 * } catch (error) {
 *   if (hasCode(error, "not_found")) return undefined;
 *   await SYSTEM_CLOCK.sleep(backoff.next(), { signal });
 * }
 * ```
 *
 * @module
 */
export * from "./abort.ts";
export * from "./backoff.ts";
export * from "./byte_pace.ts";
export * from "./bytes.ts";
export * from "./call_limiter.ts";
export * from "./clock.ts";
export * from "./deadline.ts";
export * from "./defined.ts";
export * from "./empty_stream.ts";
export * from "./endpoint.ts";
export * from "./errors.ts";
export * from "./file_error.ts";
export * from "./key.ts";
export * from "./keyed_queue.ts";
export * from "./last_resort.ts";
export * from "./listen_error.ts";
export * from "./log.ts";
export * from "./log_limit.ts";
export * from "./memory_pool.ts";
export * from "./meter.ts";
export * from "./notifier.ts";
export * from "./retry.ts";
export * from "./safe_text.ts";
export * from "./scope.ts";
export * from "./sequencer.ts";
export * from "./time.ts";
export * from "./token_bucket.ts";
export * from "./version.ts";
