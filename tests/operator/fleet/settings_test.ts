// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { EdgeDevice } from "../../../lib/operator/kube/mod.ts";
import {
  hostOf,
  toEndpoint,
  toSettings,
} from "../../../lib/operator/fleet/settings.ts";

const HOST = { addresses: ["fd00::5"], grpcPort: 9443 };

function edge(spec: EdgeDevice["spec"]): EdgeDevice {
  return {
    metadata: { name: "edge-1", namespace: "home" },
    ...(spec && { spec }),
  };
}

Deno.test("toSettings() dials the operator's host when no end point is given", () => {
  const settings = toSettings(edge({}), HOST);
  assert.equal(settings.endpoint, "[fd00::5]:9443");
  assert.equal(settings.offlineAfterMs, 40_000);
  assert.equal(settings.requestTimeoutMs, 60_000);
  assert.equal(settings.insecure, false);
});

Deno.test("toSettings() reads durations, and takes the default for what is none", () => {
  const settings = toSettings(
    edge({
      connectivity: {
        timers: { offlineAfter: "1m30s", unarySessionTimeout: "soon" },
        grpcConfig: { endpoint: "edge.example.org:443" },
      },
    }),
    HOST,
  );
  assert.equal(settings.offlineAfterMs, 90_000);
  assert.equal(settings.requestTimeoutMs, 60_000);
  assert.equal(settings.endpoint, "edge.example.org:443");
});

Deno.test("hostOf() undoes toEndpoint() in both families", () => {
  for (const host of ["10.0.0.1", "fd00::1", "edge.example.org"]) {
    assert.equal(hostOf(toEndpoint(host, 443)), host);
  }
});
