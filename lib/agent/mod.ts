// SPDX-License-Identifier: Apache-2.0
/**
 * The device side of the protocol: commands come in from the session, runtime and pod workers are called, answers, statuses, events and
 * facts go out. This room never decides what a pod needs, and never lets anyone on the host against its owner's word.
 *
 * @module
 */
export { runAgent, type RunAgentOptions } from "./agent.ts";
