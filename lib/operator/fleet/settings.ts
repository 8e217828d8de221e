// SPDX-License-Identifier: Apache-2.0
/** Settings of devices, from the EdgeDevice to agent.yaml. */
import { defined, isEndpoint } from "../../shared/base/mod.ts";
import { parseDuration, renderAgentConfig } from "../../shared/config/mod.ts";
import type {
  AgentYamlInput,
  DeviceSettings,
  IgnoredSetting,
  SettingsSource,
} from "../device/mod.ts";
import type { EdgeDevice } from "../kube/mod.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/**
 * Bounds of the durations, whatever the EdgeDevice sets: a timer of more than 25 days ends at once.
 * The schema has those of the first two too, but not for objects that were stored before.
 */
const BOUNDS = {
  requestTimeout: { defaultMs: 60_000, minMs: 1000, maxMs: HOUR_MS },
  offlineAfter: { defaultMs: 40_000, minMs: 5000, maxMs: HOUR_MS },
  forceSync: { defaultMs: 600_000, minMs: 10_000, maxMs: DAY_MS },
  initialDelay: { defaultMs: 1000, minMs: 1, maxMs: DAY_MS },
  maxDelay: { defaultMs: 60_000, minMs: 1, maxMs: DAY_MS },
} as const;

/**
 * Returns the host of an endpoint, an IPv6 address without brackets. Unlike `parseEndpoint` it
 * never throws, because a user's endpoint is only checked by the schema of EdgeDevice.
 */
export function hostOf(endpoint: string): string {
  return endpoint.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
}

/** Where agents find the operators. */
export interface EndpointSource {
  /** "host:port" of every operator that may lead; not empty. Another array when they change. */
  readonly endpoints: readonly string[];
  /** Whether those of all operators are known, and not only of this one. */
  readonly isComplete: boolean;
}

/** Settings of all devices of one operator. */
export class FleetSettings implements SettingsSource {
  readonly #source: EndpointSource;
  /** They are read often, and the EdgeDevice is replaced when it changes. */
  #cache = new WeakMap<EdgeDevice, DeviceSettings>();
  #cachedFor: { endpoints: readonly string[]; isComplete: boolean } | undefined;

  constructor(source: EndpointSource) {
    this.#source = source;
  }

  /** See {@linkcode SettingsSource.of}. */
  of(edge: EdgeDevice): DeviceSettings {
    const { endpoints, isComplete } = this.#source;
    if (
      this.#cachedFor?.endpoints !== endpoints ||
      this.#cachedFor.isComplete !== isComplete
    ) {
      this.#cachedFor = { endpoints, isComplete };
      this.#cache = new WeakMap();
    }
    const known = this.#cache.get(edge);
    if (known) return known;
    const settings = toSettings(edge, this.#source);
    this.#cache.set(edge, settings);
    return settings;
  }

  /** See {@linkcode SettingsSource.renderAgentYaml}. */
  renderAgentYaml(input: AgentYamlInput): string {
    return toAgentYaml(input);
  }
}

/** Returns a device's settings; what is missing or can't be read has its default. */
export function toSettings(
  edge: EdgeDevice,
  { endpoints, isComplete }: EndpointSource,
): DeviceSettings {
  const { connectivity, node, pod } = edge.spec ?? {};
  const { timers, backoff, grpcConfig } = connectivity ?? {};
  const reader = new SettingReader();
  const own = reader.readEndpoint(
    "connectivity.grpcConfig.endpoint",
    grpcConfig?.endpoint,
  );
  const initialDelayMs = reader.readMs("connectivity.backoff.initialDelay", {
    text: backoff?.initialDelay,
    ...BOUNDS.initialDelay,
  });
  const maxDelayMs = reader.readMs("connectivity.backoff.maxDelay", {
    text: backoff?.maxDelay,
    ...BOUNDS.maxDelay,
  });
  return {
    requestTimeoutMs: reader.readMs("connectivity.timers.unarySessionTimeout", {
      text: timers?.unarySessionTimeout,
      ...BOUNDS.requestTimeout,
    }),
    offlineAfterMs: reader.readMs("connectivity.timers.offlineAfter", {
      text: timers?.offlineAfter,
      ...BOUNDS.offlineAfter,
    }),
    forceSyncMs: reader.readMs("node.timers.forceSyncInterval", {
      text: node?.timers?.forceSyncInterval,
      ...BOUNDS.forceSync,
    }),
    podSyncMs: reader.readMs("pod.timers.forceSyncInterval", {
      text: pod?.timers?.forceSyncInterval,
      ...BOUNDS.forceSync,
    }),
    endpoints: own === undefined ? endpoints : [own],
    hasAllEndpoints: own !== undefined || isComplete,
    ignored: reader.ignored,
    insecure: grpcConfig?.insecure ?? false,
    backoff: {
      initialDelayMs,
      // The agent refuses a delay of 0, and an agent.yaml whose longest delay is below the first.
      maxDelayMs: Math.max(maxDelayMs, initialDelayMs),
      factor: backoff?.factor ?? 1.5,
    },
  };
}

/** Returns the text of agent.yaml. */
export function toAgentYaml(input: AgentYamlInput): string {
  const { device, settings, ca, credential } = input;
  return renderAgentConfig({
    device,
    endpoints: [...settings.endpoints],
    credential,
    ...defined({ ca, insecure: settings.insecure || undefined }),
    backoff: settings.backoff,
    offlineAfterMs: settings.offlineAfterMs,
  });
}

/**
 * Reads values that the schema checks, but not in objects that were stored before: they must not
 * stop their device.
 */
class SettingReader {
  /** What could not be read so far. */
  readonly ignored: IgnoredSetting[] = [];

  /** Returns an endpoint that agents can read. @param field without `spec.` */
  readEndpoint(field: string, text: string | undefined): string | undefined {
    if (text === undefined || isEndpoint(text)) return text;
    this.#ignore(field, { text, expected: '"host:port" or "[IPv6]:port"' });
    return undefined;
  }

  /** Returns a duration within its bounds, in milliseconds. @param field without `spec.` */
  readMs(field: string, { text, defaultMs, minMs, maxMs }: {
    text: string | undefined;
    defaultMs: number;
    minMs: number;
    maxMs: number;
  }): number {
    if (text === undefined) return defaultMs;
    try {
      return Math.min(Math.max(parseDuration(text), minMs), maxMs);
    } catch {
      this.#ignore(field, { text, expected: 'a duration such as "1m30s"' });
      return defaultMs;
    }
  }

  #ignore(
    field: string,
    setting: { text: string; expected: string },
  ): void {
    this.ignored.push({ field: `spec.${field}`, ...setting });
  }
}
