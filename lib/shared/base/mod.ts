// SPDX-License-Identifier: Apache-2.0
/**
 * What every room stands on: the error type, the log and meter faces, back-off, the keyed work queue, scopes, clocks, pipes and bytes.
 * Plain values come in and go out. This room never knows Kubernetes, devices or the network.
 *
 * @module
 */
export * from "./abort.ts";
export * from "./backoff.ts";
export * from "./bytes.ts";
export * from "./clock.ts";
export * from "./deadline.ts";
export * from "./defined.ts";
export * from "./empty_stream.ts";
export * from "./endpoint.ts";
export * from "./errors.ts";
export * from "./log.ts";
export * from "./meter.ts";
export * from "./notifier.ts";
export * from "./persist.ts";
export * from "./pipe.ts";
export * from "./queue.ts";
export * from "./scope.ts";
export * from "./sequencer.ts";
export * from "./time.ts";
export * from "./version.ts";
