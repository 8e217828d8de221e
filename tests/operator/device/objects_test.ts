// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { EdgeDevice } from "../../../lib/operator/kube/mod.ts";
import {
  fromBase64,
  secretText,
  toBase64,
  toEndpointSlice,
  toLease,
  toSecret,
  toService,
} from "../../../lib/operator/device/objects.ts";

const EDGE: EdgeDevice = {
  metadata: { name: "edge-1", namespace: "home", uid: "u1" },
};

Deno.test("toEndpointSlice() skips loopback addresses, which the API server refuses", () => {
  const slice = toEndpointSlice(EDGE, {
    addresses: ["127.0.0.1", "10.0.0.7", "fd00::7"],
    grpcPort: 9443,
  });
  assert.equal(slice.addressType, "IPv4");
  assert.deepEqual(slice.endpoints.map(({ addresses }) => addresses), [[
    "10.0.0.7",
  ]]);
  assert.equal(
    slice.metadata.labels?.["kubernetes.io/service-name"],
    "edge-1",
  );
});

Deno.test("toService() returns a headless Service with a port named grpc and no selector", () => {
  const { spec } = toService(EDGE, 9443);
  assert.equal(spec?.clusterIP, "None");
  assert.equal(spec?.selector, undefined);
  assert.deepEqual(spec?.ports?.map(({ name, port }) => ({ name, port })), [{
    name: "grpc",
    port: 9443,
  }]);
});

Deno.test("toLease() is owned by its Node and lasts 40 s", () => {
  const lease = toLease(EDGE, {
    uid: "n1",
    renewTime: "2026-01-02T00:00:00.000000Z",
  });
  assert.equal(lease.metadata.ownerReferences?.[0]?.uid, "n1");
  assert.equal(lease.spec?.leaseDurationSeconds, 40);
  assert.equal(lease.spec?.renewTime, "2026-01-02T00:00:00.000000Z");
});

Deno.test("secretText() reads the values of toSecret(), and returns undefined for missing ones", () => {
  const secret = toSecret(EDGE, {
    name: "edge-1-agent",
    type: "Opaque",
    values: { token: "grün" },
  });
  assert.equal(secretText(secret, "token"), "grün");
  assert.equal(secretText(secret, "other"), undefined);
  assert.equal(secretText(undefined, "token"), undefined);
});

Deno.test("fromBase64() reverses toBase64(), and returns undefined for other text", () => {
  const bytes = Uint8Array.from([0, 127, 255]);
  assert.deepEqual(fromBase64(toBase64(bytes)), bytes);
  assert.equal(fromBase64("not base64!"), undefined);
});
