// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { formatEndpoint } from "../../../lib/shared/base/mod.ts";
import { parseAgentConfig } from "../../../lib/shared/config/mod.ts";
import type { EdgeDevice } from "../../../lib/operator/kube/mod.ts";
import {
  type EndpointSource,
  FleetSettings,
  hostOf,
  toAgentYaml,
  toSettings,
} from "../../../lib/operator/fleet/settings.ts";
import {
  ENDPOINTS,
  NO_ENDPOINTS,
} from "../../shared/base/_support/endpoint_texts.ts";

const OPERATORS = {
  endpoints: ["10.0.0.1:9443", "[fd00::5]:9443"],
  isComplete: true,
};

function edge(spec: EdgeDevice["spec"]): EdgeDevice {
  return {
    metadata: { name: "edge-1", namespace: "home" },
    ...(spec && { spec }),
  };
}

Deno.test("toSettings() defaults to the endpoints of all operators", () => {
  const settings = toSettings(edge({}), OPERATORS);
  assert.deepEqual(settings.endpoints, OPERATORS.endpoints);
  assert.equal(settings.hasAllEndpoints, true);
  assert.equal(settings.offlineAfterMs, 40_000);
  assert.equal(settings.requestTimeoutMs, 60_000);
  assert.equal(settings.insecure, false);
});

Deno.test("toSettings() parses durations, and has the default for one that can't be parsed", () => {
  const settings = toSettings(
    edge({
      connectivity: {
        timers: { offlineAfter: "1m30s", unarySessionTimeout: "soon" },
        grpcConfig: { endpoint: "edge.example.org:443" },
      },
    }),
    { ...OPERATORS, isComplete: false },
  );
  assert.equal(settings.offlineAfterMs, 90_000);
  assert.equal(settings.requestTimeoutMs, 60_000);
  assert.deepEqual(settings.endpoints, ["edge.example.org:443"]);
  assert.equal(settings.hasAllEndpoints, true);
});

Deno.test("toSettings() bounds durations, so that no timer overflows or runs all the time", () => {
  const settingsOf = (duration: string) =>
    toSettings(
      edge({
        connectivity: {
          timers: { offlineAfter: duration, unarySessionTimeout: duration },
          backoff: { initialDelay: duration, maxDelay: duration },
        },
        node: { timers: { forceSyncInterval: duration } },
        pod: { timers: { forceSyncInterval: duration } },
      }),
      OPERATORS,
    );
  const hourMs = 3_600_000;
  const { endpoints: _endpoints, ...long } = settingsOf("600h");
  assert.deepEqual(long, {
    requestTimeoutMs: hourMs,
    offlineAfterMs: hourMs,
    forceSyncMs: 24 * hourMs,
    podSyncMs: 24 * hourMs,
    hasAllEndpoints: true,
    ignored: [],
    insecure: false,
    backoff: {
      initialDelayMs: 24 * hourMs,
      maxDelayMs: 24 * hourMs,
      factor: 1.5,
    },
  });
  const short = settingsOf("0s");
  assert.equal(short.requestTimeoutMs, 1000);
  assert.equal(short.offlineAfterMs, 5000);
  assert.equal(short.forceSyncMs, 10_000);
  assert.equal(short.podSyncMs, 10_000);
});

Deno.test("toSettings() has the operators' endpoints instead of one that no agent can read", () => {
  for (const endpoint of NO_ENDPOINTS) {
    const spec = { connectivity: { grpcConfig: { endpoint } } };
    const settings = toSettings(edge(spec), OPERATORS);
    assert.deepEqual(settings.endpoints, OPERATORS.endpoints, endpoint);
  }
  for (const endpoint of ENDPOINTS) {
    const spec = { connectivity: { grpcConfig: { endpoint } } };
    assert.deepEqual(toSettings(edge(spec), OPERATORS).endpoints, [endpoint]);
  }
});

Deno.test("toSettings() names the values that it can't read", () => {
  const { ignored } = toSettings(
    edge({
      connectivity: {
        timers: { offlineAfter: "1m30s", unarySessionTimeout: "soon" },
        grpcConfig: { endpoint: "edge.example.org" },
      },
      pod: { timers: { forceSyncInterval: "-1s" } },
    }),
    OPERATORS,
  );
  assert.deepEqual(ignored, [
    {
      field: "spec.connectivity.grpcConfig.endpoint",
      text: "edge.example.org",
      expected: '"host:port" or "[IPv6]:port"',
    },
    {
      field: "spec.connectivity.timers.unarySessionTimeout",
      text: "soon",
      expected: 'a duration such as "1m30s"',
    },
    {
      field: "spec.pod.timers.forceSyncInterval",
      text: "-1s",
      expected: 'a duration such as "1m30s"',
    },
  ]);
});

for (
  const backoff of [
    { initialDelay: "0s", maxDelay: "0s" },
    { initialDelay: "0.1ms", maxDelay: "1m" },
    { initialDelay: "2s", maxDelay: "1s" },
    { initialDelay: "soon", maxDelay: "500ms" },
  ]
) {
  Deno.test(`toAgentYaml() writes delays that the agent reads for ${JSON.stringify(backoff)}`, () => {
    const settings = toSettings(edge({ connectivity: { backoff } }), OPERATORS);
    const text = toAgentYaml({
      device: "edge-1",
      settings,
      ca: undefined,
      credential: new Uint8Array(32),
    });
    const config = parseAgentConfig(text, { file: "agent.yaml" });
    assert.deepEqual(config.backoff, settings.backoff);
  });
}

Deno.test("FleetSettings.of() follows the operators, and parses an EdgeDevice once", () => {
  let source: EndpointSource = { endpoints: ["a:1"], isComplete: false };
  const settings = new FleetSettings({
    get endpoints() {
      return source.endpoints;
    },
    get isComplete() {
      return source.isComplete;
    },
  });
  const own = edge({});
  const before = settings.of(own);
  assert.equal(before.hasAllEndpoints, false);
  assert.equal(settings.of(own), before);
  source = { ...source, isComplete: true };
  assert.equal(settings.of(own).hasAllEndpoints, true);
  source = { ...source, endpoints: ["a:1", "b:1"] };
  assert.deepEqual(settings.of(own).endpoints, ["a:1", "b:1"]);
});

Deno.test("hostOf() undoes formatEndpoint(), and accepts any text", () => {
  for (const host of ["10.0.0.1", "fd00::1", "edge.example.org"]) {
    assert.equal(hostOf(formatEndpoint({ host, port: 443 })), host);
  }
  assert.equal(hostOf("edge.example.org:99999"), "edge.example.org");
});

Deno.test("toAgentYaml() writes what the agent reads, without CA and TLS when insecure", () => {
  const settings = toSettings(
    edge({ connectivity: { grpcConfig: { insecure: true } } }),
    OPERATORS,
  );
  const credential = new Uint8Array(32).fill(7);
  const text = toAgentYaml({
    device: "edge-1",
    settings,
    ca: undefined,
    credential,
  });
  const config = parseAgentConfig(text, { file: "agent.yaml" });
  assert.deepEqual(config.endpoints, OPERATORS.endpoints);
  assert.deepEqual(config.credential, credential);
  assert.equal(config.insecure, true);
  assert.equal(config.ca, undefined);
  assert.equal(config.offlineAfterMs, 40_000);
});
