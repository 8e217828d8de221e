// SPDX-License-Identifier: Apache-2.0
/** Writes agent.yaml. */
import { Buffer } from "node:buffer";
import type { AgentConfig } from "./agent_config.ts";
import { formatDuration } from "./duration.ts";

/** What {@linkcode renderAgentConfig} must be given; what is left out gets the default at the agent. */
export type RenderableConfig =
  & Pick<AgentConfig, "device" | "endpoints" | "credential">
  & Partial<
    Pick<
      AgentConfig,
      "ca" | "insecure" | "serverName" | "backoff" | "offlineAfterMs"
    >
  >;

const HOST_PART = `
# What the owner of this device allows on the device itself, beside the pods. Turn any of them off: the agent then refuses with a
# sentence that names the switch. Off means off: nobody in the cluster can turn it on again.
host:
  exec: true # run programs and shells as the agent's user, copy files: kubectl exec, kubectl cp
  attach: true # a shell on the device: kubectl attach
  logs: true # read the device's log: kubectl logs
  portForward: true # reach ports of the device: kubectl port-forward
  # shell: /bin/bash # for attach; default: the user's own
  # logFile: /var/log/syslog # for logs; default: the journal

# runtime:
#   docker:
#     host: unix:///var/run/docker.sock # default; DOCKER_HOST is honoured
`;

/** The text of an agent.yaml with comments for the device's owner. The same config always gives the same text. */
export function renderAgentConfig(config: RenderableConfig): string {
  const { device, ca, serverName, backoff, offlineAfterMs } = config;
  const parts = [
    `# Everything the agent on ${device} needs. It holds a secret: keep it readable for the agent's user only (mode 0600).\n`,
    `device: ${quote(device)}\n`,
    "# Where the operator is, as this device sees it; tried in turn.\n",
    `endpoints:\n${
      config.endpoints.map((each) => `  - ${quote(each)}\n`).join("")
    }`,
  ];
  if (serverName !== undefined) {
    parts.push(`serverName: ${quote(serverName)}\n`);
  }
  if (config.insecure) {
    parts.push(
      "# Without TLS. Packets are sealed with the credential all the same.\n",
      "insecure: true\n",
    );
  }
  if (ca !== undefined) {
    const lines = ca.trim().split(/\r?\n/).map((line) => `  ${line}\n`);
    parts.push(`ca: |\n${lines.join("")}`);
  }
  parts.push(
    "# This device's own key. It never travels; who has it is this device.\n",
    `credential: ${quote(Buffer.from(config.credential).toString("base64"))}\n`,
    HOST_PART,
    `\n# stateDir: /var/lib/aranya/${device} # what the device keeps over restarts\n`,
    `# stateKeyFile: /path/to/${device}.key # seals secrets at rest; default: beside this file\n`,
  );
  if (backoff) {
    parts.push(
      "\n# Delays between attempts to connect.\n",
      `backoff:\n`,
      `  initialDelay: ${formatDuration(backoff.initialDelayMs)}\n`,
      `  maxDelay: ${formatDuration(backoff.maxDelayMs)}\n`,
      `  factor: ${backoff.factor}\n`,
    );
  }
  if (offlineAfterMs !== undefined) {
    parts.push(`offlineAfter: ${formatDuration(offlineAfterMs)}\n`);
  }
  return parts.join("");
}

/** A JSON text is a YAML text too. */
function quote(text: string): string {
  return JSON.stringify(text);
}
