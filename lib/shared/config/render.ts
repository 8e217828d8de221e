// SPDX-License-Identifier: Apache-2.0
/** Renders agent.yaml. */
import { Buffer } from "node:buffer";
import type { AgentConfig } from "./agent_config.ts";
import { formatDuration } from "./duration.ts";

/** Values that the operator may set in an agent.yaml; the agent has defaults for all others. */
export type RenderableConfig =
  & Pick<AgentConfig, "device" | "endpoints" | "credential">
  & Partial<
    Pick<
      AgentConfig,
      "ca" | "insecure" | "serverName" | "backoff" | "offlineAfterMs"
    >
  >;

const HOST_SECTION = `
# What the cluster may do on this device itself, outside of pods. Set a switch to false to forbid it: the agent then
# refuses with an error that names the switch. No user of the cluster can turn it on again, unless exec, attach or one
# of the switches for pods below stays true: each of them gives the rights to change this file.
host:
  exec: true # run programs and shells as the agent's user, copy files: kubectl exec, kubectl cp
  attach: true # a shell on the device: kubectl attach
  logs: true # read the device's log: kubectl logs
  portForward: true # connect to ports of the device, also of pods in its network: kubectl port-forward
  # shell: /bin/bash # for attach; default: /bin/sh
  # logFile: /var/log/syslog # for logs; default: the journal

# What pods may do to this device. With all three false, pods keep to the baseline policy of the Pod Security
# Standards. They still share the device's kernel, CPU, memory and disk, and reach what its firewall lets them reach.
# A pod that runs and is no longer allowed is ended when the agent starts.
pods:
  privileged: true # privileged containers; capabilities and sysctls beyond the baseline policy; seccomp Unconfined
  hostPath: true # volumes that are directories or files of this device
  hostNamespaces: true # hostNetwork, hostPID, hostIPC; hosts in probes and hooks

# runtime:
#   docker:
#     host: unix:///var/run/docker.sock # default; DOCKER_HOST is honoured

# When the device runs short of these, pods are evicted, as by a kubelet. A size, or a share of the whole; 0 turns one off.
# nodefs: the disk of stateDir with the volumes of pods; imagefs: the disk of the engine. These are the defaults:
# eviction:
#   hard:
#     # memory.available: 200Mi # if not set: 100Mi or 10% of the memory, the smaller one
#     nodefs.available: 10%
#     nodefs.inodesFree: 5%
#     imagefs.available: 15%
#     imagefs.inodesFree: 5%
#   pressureTransitionPeriod: 5m # how long MemoryPressure and DiskPressure stay true afterwards
`;

/**
 * Renders an agent.yaml with comments for the device's owner. The same config always gives the same
 * text, and `parseAgentConfig` reads the same values from it.
 */
export function renderAgentConfig(config: RenderableConfig): string {
  return [
    ...renderConnection(config),
    HOST_SECTION,
    `\n# stateDir: /var/lib/aranya/${config.device} # the agent's state, kept across restarts\n`,
    `# stateKeyFile: /path/to/${config.device}.key # encrypts secrets in the state; default: next to this file\n`,
    ...renderTimes(config),
  ].join("");
}

function renderConnection(config: RenderableConfig): string[] {
  const { device, endpoints, serverName, insecure, ca, credential } = config;
  const parts = [
    `# Configuration of the agent on ${device}. It contains a secret: only the agent's user may read it (mode 0600).\n`,
    `device: ${quote(device)}\n`,
    "# Addresses of the operators as this device reaches them. The agent tries the next one when one has not answered for\n" +
    "# 2.5 s, and keeps this list up to date; entries of yours stay. Write one on each line.\n",
    `endpoints:\n${
      endpoints.map((endpoint) => `  - ${quote(endpoint)}\n`).join("")
    }`,
  ];
  if (serverName !== undefined) {
    parts.push(`serverName: ${quote(serverName)}\n`);
  }
  if (insecure) {
    parts.push(
      "# No TLS. Packets are still encrypted with the credential.\n",
      "insecure: true\n",
    );
  }
  if (ca !== undefined) {
    const lines = ca.trim().split(/\r?\n/).map((line) => `  ${line}\n`);
    parts.push(`ca: |\n${lines.join("")}`);
  }
  parts.push(
    "# The device's secret key. Whoever has it can connect as this device. The agent replaces it when the operator rotates\n" +
      "# it.\n",
    `credential: ${quote(Buffer.from(credential).toString("base64"))}\n`,
  );
  return parts;
}

function renderTimes(
  { backoff, offlineAfterMs }: RenderableConfig,
): string[] {
  const parts: string[] = [];
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
  return parts;
}

/** Quotes a text: JSON strings are YAML strings. */
function quote(text: string): string {
  return JSON.stringify(text);
}
