// SPDX-License-Identifier: Apache-2.0
/** From the texts of an EdgeDevice to values, and to the device's agent.yaml. Pure. */
import { parseDuration, renderAgentConfig } from "../../shared/config/mod.ts";
import type { AgentYamlInput, DeviceSettings } from "../device/mod.ts";
import type { EdgeDevice } from "../kube/mod.ts";

/** "host:port", IPv6 in brackets. */
export function toEndpoint(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Host of an end point, without brackets. */
export function hostOf(endpoint: string): string {
  return endpoint.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
}

/** Reads a device's settings; what is missing or makes no sense gets its default. */
export function toSettings(
  edge: EdgeDevice,
  host: { addresses: string[]; grpcPort: number },
): DeviceSettings {
  const { connectivity, node, pod } = edge.spec ?? {};
  const { timers, backoff, grpcConfig } = connectivity ?? {};
  return {
    requestTimeoutMs: toMs(timers?.unarySessionTimeout, 60_000),
    offlineAfterMs: toMs(timers?.offlineAfter, 40_000),
    forceSyncMs: Math.max(
      toMs(node?.timers?.forceSyncInterval, 600_000),
      10_000,
    ),
    podSyncMs: Math.max(toMs(pod?.timers?.forceSyncInterval, 600_000), 10_000),
    endpoint: grpcConfig?.endpoint ??
      toEndpoint(host.addresses[0] ?? "127.0.0.1", host.grpcPort),
    insecure: grpcConfig?.insecure ?? false,
    backoff: {
      initialDelayMs: toMs(backoff?.initialDelay, 1000),
      maxDelayMs: toMs(backoff?.maxDelay, 60_000),
      factor: backoff?.factor ?? 1.5,
    },
  };
}

/** The text of agent.yaml. */
export function toAgentYaml(input: AgentYamlInput): string {
  const { device, settings, ca, credential } = input;
  return renderAgentConfig({
    device,
    endpoints: [settings.endpoint],
    credential,
    ...(ca === undefined ? {} : { ca }),
    ...(settings.insecure ? { insecure: true } : {}),
    backoff: settings.backoff,
    offlineAfterMs: settings.offlineAfterMs,
  });
}

function toMs(text: string | undefined, defaultMs: number): number {
  if (text === undefined) return defaultMs;
  try {
    return parseDuration(text);
  } catch {
    return defaultMs; // the API server checks these texts; one from before that check must not stop a device
  }
}
