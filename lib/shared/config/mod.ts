// SPDX-License-Identifier: Apache-2.0
/**
 * agent.yaml: one schema, written by the operator and read by the agent. Text comes in, a config comes out, and back.
 * This room never touches files.
 *
 * @module
 */
export * from "./agent_config.ts";
export * from "./duration.ts";
export * from "./parse.ts";
export * from "./render.ts";
