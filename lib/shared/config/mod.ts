// SPDX-License-Identifier: Apache-2.0
/**
 * The format of agent.yaml: the operator renders it, the agent parses it. Text comes in and a
 * config goes out, and the other way round. This room never touches files.
 *
 * @example
 * ```ts
 * const text = renderAgentConfig({ device: "edge-1", endpoints: ["a.example:9443"], credential });
 * const config = parseAgentConfig(text, { file: "/etc/aranya/agent.yaml" });
 * ```
 *
 * @module
 */
export type { AgentConfig, HostSwitches, PodSwitches } from "./agent_config.ts";
export {
  DEFAULT_EVICTION,
  type EvictionQuantity,
  type EvictionSettings,
  type EvictionSignal,
} from "./eviction.ts";
export { replaceCredential } from "./credential_text.ts";
export { formatDuration, parseDuration } from "./duration.ts";
export { replaceEndpoints } from "./endpoints.ts";
export { parseAgentConfig } from "./parse.ts";
export { type RenderableConfig, renderAgentConfig } from "./render.ts";
