// SPDX-License-Identifier: Apache-2.0
/** Settings of devices, from the EdgeDevice to agent.yaml. */
import { defined, formatEndpoint } from "../../shared/base/mod.ts";
import { parseDuration, renderAgentConfig } from "../../shared/config/mod.ts";
import type {
  AgentYamlInput,
  DeviceSettings,
  SettingsSource,
} from "../device/mod.ts";
import type { EdgeDevice } from "../kube/mod.ts";

/** Shortest interval of the periodic comparisons, whatever the EdgeDevice sets. */
const MIN_SYNC_MS = 10_000;

/**
 * Returns the host of an endpoint, an IPv6 address without brackets. Unlike `parseEndpoint` it
 * never throws, because a user's endpoint is only checked by the schema of EdgeDevice.
 */
export function hostOf(endpoint: string): string {
  return endpoint.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
}

/** Where agents connect to by default. */
export interface AgentEndpoint {
  /** Addresses of the operator's host, preferred first. */
  addresses: string[];
  /** Port of the gRPC listener. */
  grpcPort: number;
}

/** Settings of all devices of one operator. */
export class FleetSettings implements SettingsSource {
  readonly #endpoint: AgentEndpoint;

  constructor(endpoint: AgentEndpoint) {
    this.#endpoint = endpoint;
  }

  /** See {@linkcode SettingsSource.of}. */
  of(edge: EdgeDevice): DeviceSettings {
    return toSettings(edge, this.#endpoint);
  }

  /** See {@linkcode SettingsSource.renderAgentYaml}. */
  renderAgentYaml(input: AgentYamlInput): string {
    return toAgentYaml(input);
  }
}

/** Returns a device's settings; what is missing or can't be parsed has its default. */
export function toSettings(
  edge: EdgeDevice,
  operator: AgentEndpoint,
): DeviceSettings {
  const { connectivity, node, pod } = edge.spec ?? {};
  const { timers, backoff, grpcConfig } = connectivity ?? {};
  return {
    requestTimeoutMs: toMs(timers?.unarySessionTimeout, 60_000),
    offlineAfterMs: toMs(timers?.offlineAfter, 40_000),
    forceSyncMs: Math.max(
      toMs(node?.timers?.forceSyncInterval, 600_000),
      MIN_SYNC_MS,
    ),
    podSyncMs: Math.max(
      toMs(pod?.timers?.forceSyncInterval, 600_000),
      MIN_SYNC_MS,
    ),
    endpoint: grpcConfig?.endpoint ?? formatEndpoint({
      host: operator.addresses[0] ?? "127.0.0.1",
      port: operator.grpcPort,
    }),
    insecure: grpcConfig?.insecure ?? false,
    backoff: {
      initialDelayMs: toMs(backoff?.initialDelay, 1000),
      maxDelayMs: toMs(backoff?.maxDelay, 60_000),
      factor: backoff?.factor ?? 1.5,
    },
  };
}

/** Returns the text of agent.yaml. */
export function toAgentYaml(input: AgentYamlInput): string {
  const { device, settings, ca, credential } = input;
  return renderAgentConfig({
    device,
    endpoints: [settings.endpoint],
    credential,
    ...defined({ ca, insecure: settings.insecure || undefined }),
    backoff: settings.backoff,
    offlineAfterMs: settings.offlineAfterMs,
  });
}

function toMs(text: string | undefined, defaultMs: number): number {
  if (text === undefined) return defaultMs;
  try {
    return parseDuration(text);
  } catch {
    // The schema checks durations; an object that was stored before must not stop its device.
    return defaultMs;
  }
}
