// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { EdgeDevice } from "../../../lib/operator/kube/mod.ts";
import {
  covers,
  fromBase64,
  ownedMeta,
  ownership,
  secretText,
  toBase64,
  toEndpointSlice,
  toLease,
  toMicroTime,
  toSecret,
  toService,
} from "../../../lib/operator/device/objects.ts";

const EDGE: EdgeDevice = {
  metadata: { name: "edge-1", namespace: "home", uid: "u1" },
};

Deno.test("ownership() tells ours, those of a former EdgeDevice, and others' apart", () => {
  const ours = { metadata: ownedMeta(EDGE, "edge-1") };
  const former = {
    metadata: ownedMeta(
      { metadata: { ...EDGE.metadata, uid: "u0" } },
      "edge-1",
    ),
  };
  assert.equal(ownership(EDGE, ours), "ours");
  assert.equal(ownership(EDGE, former), "stale");
  assert.equal(ownership(EDGE, { metadata: { name: "edge-1" } }), "foreign");
});

Deno.test("covers() takes defaults and others' fields for right", () => {
  assert.equal(
    covers({ a: 1, b: { c: [1, { d: 2, e: 3 }] } }, {
      b: { c: [1, { d: 2 }] },
    }),
    true,
  );
  assert.equal(covers(undefined, {}), true);
});

Deno.test("covers() sees a missing key, another value and a longer list", () => {
  assert.equal(covers({}, { a: 1 }), false);
  assert.equal(covers({ a: "1" }, { a: 1 }), false);
  assert.equal(covers({ a: [1, 2] }, { a: [1] }), false);
});

Deno.test("toEndpointSlice() leaves out loopback, which the API refuses", () => {
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

Deno.test("toService() is headless and has a port named grpc and no selector", () => {
  const { spec } = toService(EDGE, 9443);
  assert.equal(spec?.clusterIP, "None");
  assert.equal(spec?.selector, undefined);
  assert.deepEqual(spec?.ports?.map(({ name, port }) => ({ name, port })), [{
    name: "grpc",
    port: 9443,
  }]);
});

Deno.test("toLease() goes with its Node", () => {
  const lease = toLease(EDGE, {
    uid: "n1",
    renewTime: toMicroTime(Date.UTC(2026, 0, 2)),
  });
  assert.equal(lease.metadata.ownerReferences?.[0]?.uid, "n1");
  assert.equal(lease.spec?.leaseDurationSeconds, 40);
  assert.equal(lease.spec?.renewTime, "2026-01-02T00:00:00.000000Z");
});

Deno.test("secretText() reads what toSecret() wrote, and undefined for what is not there", () => {
  const secret = toSecret(EDGE, {
    name: "edge-1-agent",
    type: "Opaque",
    values: { token: "grün" },
  });
  assert.equal(secretText(secret, "token"), "grün");
  assert.equal(secretText(secret, "other"), undefined);
  assert.equal(secretText(undefined, "token"), undefined);
});

Deno.test("fromBase64() gives the bytes of toBase64(), and undefined for other texts", () => {
  const bytes = Uint8Array.from([0, 127, 255]);
  assert.deepEqual(fromBase64(toBase64(bytes)), bytes);
  assert.equal(fromBase64("not base64!"), undefined);
});
