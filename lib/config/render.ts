// SPDX-License-Identifier: Apache-2.0
/** Writes agent.yaml. */
import { AranyaError } from "../base/mod.ts";
import type { AgentConfig } from "./agent_config.ts";

/** What {@linkcode renderAgentConfig} must be given; what is left out gets the default at the agent. */
export type RenderableConfig =
  & Pick<AgentConfig, "device" | "endpoints" | "credential">
  & Partial<
    Pick<
      AgentConfig,
      "ca" | "insecure" | "serverName" | "backoff" | "offlineAfterMs"
    >
  >;

/** The text of an agent.yaml with comments for the device's owner. The same config always gives the same text. */
export function renderAgentConfig(config: RenderableConfig): string {
  throw new AranyaError(
    "unsupported",
    `Cannot write agent.yaml of ${config.device}: not built yet`,
  );
}
