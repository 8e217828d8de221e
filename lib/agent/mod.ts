// SPDX-License-Identifier: Apache-2.0
/**
 * The agent process: it locks and opens the state, runs the pods, and keeps one link to the
 * operator, on which it serves commands and sends reports. The configuration and the container
 * runtime come in; log lines go out. This room never decides what a pod needs, and never reads
 * flags or the environment.
 *
 * @example
 * ```ts
 * const config = parseAgentConfig(await Deno.readTextFile(configFile), { file: configFile });
 * await runAgent({
 *   config, configFile, version: VERSION, runtime, streams, reader, mounts, log, signal,
 * });
 * ```
 *
 * @module
 */
export { runAgent, type RunAgentOptions } from "./agent.ts";
