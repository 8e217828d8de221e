// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  ensureEndpointSlice,
  ensureService,
} from "../../../lib/operator/device/ensure_service.ts";
import { ObjectWriter } from "../../../lib/operator/device/writer.ts";
import { ENDPOINT_SLICE, SERVICE } from "../../../lib/operator/kube/mod.ts";
import { DeviceFixture } from "../_support/device_fixture.ts";

const signal = new AbortController().signal;

async function createFixture() {
  const fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const writer = new ObjectWriter(fixture.api);
  writer.begin(device.edge);
  return {
    fixture,
    device,
    writer,
    [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
  };
}

Deno.test("ensureService() creates the Service and corrects its ports", async () => {
  await using given = await createFixture();
  const { fixture, device, writer } = given;
  await ensureService(device, { writer, signal });
  await fixture.api.patchObject(SERVICE, fixture.ref, {
    spec: { ports: [{ name: "other", port: 1 }] },
  });
  await fixture.waitForInformers();
  await ensureService(device, { writer, signal });
  const { spec } = await fixture.api.get(SERVICE, fixture.ref);
  assert.deepEqual(spec?.ports?.map(({ name, port }) => ({ name, port })), [
    { name: "grpc", port: 9443 },
  ]);
  assert.deepEqual(fixture.api.takeWriteCounts(), {
    "create services": 1,
    "patch services": 1,
  });
});

Deno.test("ensureEndpointSlice() creates the slice again when the address family changes", async () => {
  await using given = await createFixture();
  const { fixture, device, writer } = given;
  await ensureEndpointSlice(device, { writer, signal });
  await fixture.waitForInformers();
  device.context.operator.addresses.splice(0, 1, "fd00::7");
  await ensureEndpointSlice(device, { writer, signal });
  const { addressType, endpoints } = await fixture.api.get(
    ENDPOINT_SLICE,
    fixture.ref,
  );
  assert.equal(addressType, "IPv6");
  assert.deepEqual(endpoints.map(({ addresses }) => addresses), [["fd00::7"]]);
  assert.deepEqual(fixture.api.takeWriteCounts(), {
    "create endpointslices": 2,
    "delete endpointslices": 1,
  });
});

Deno.test("ensureEndpointSlice() leaves a foreign slice of another address family alone", async () => {
  await using given = await createFixture();
  const { fixture, device, writer } = given;
  const { namespace, name } = fixture.ref;
  const foreign = await fixture.api.putObject(ENDPOINT_SLICE, {
    metadata: {
      namespace,
      name,
      labels: {
        "arhat.dev/role": "EdgeDevice",
        "arhat.dev/namespace": namespace,
      },
    },
    addressType: "IPv6",
    endpoints: [],
  });
  await fixture.waitForInformers();
  await ensureEndpointSlice(device, { writer, signal });
  assert.deepEqual(await fixture.api.get(ENDPOINT_SLICE, fixture.ref), foreign);
  assert.deepEqual(writer.conflicts.map(({ reason }) => reason), [
    "EndpointSliceExists",
  ]);
});
