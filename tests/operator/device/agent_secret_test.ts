// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import { EDGE_DEVICE, SECRET } from "../../../lib/operator/kube/mod.ts";
import { secretText } from "../../../lib/operator/device/objects.ts";
import { DeviceFixture } from "../_support/device_fixture.ts";
import { until } from "../_support/wait.ts";

const signal = new AbortController().signal;
const ROTATE = "aranya.arhat.dev/rotate-credential";

function agentSecret(fixture: DeviceFixture) {
  const { namespace, name } = fixture.ref;
  return fixture.api.get(SECRET, { namespace, name: `${name}-agent` });
}

Deno.test("ensure() writes agent.yaml, token and CA, and repairs them", async () => {
  await using fixture = await DeviceFixture.start();
  const { objects } = await fixture.createDevice();
  await objects.reconcile(signal);
  const secret = await agentSecret(fixture);
  assert.match(secretText(secret, "agent.yaml") ?? "", /^device: edge-.+\n/);
  assert.equal(secretText(secret, "ca.crt"), "CA\n");
  const token = secretText(secret, "token");
  await fixture.api.putObject(SECRET, {
    ...secret,
    data: { ...secret.data, "ca.crt": btoa("forged") },
  });
  await fixture.waitForInformers();
  await objects.reconcile(signal);
  const repaired = await agentSecret(fixture);
  assert.equal(secretText(repaired, "ca.crt"), "CA\n");
  assert.equal(secretText(repaired, "token"), token);
});

Deno.test("ensure() gives a connected device a new credential when the annotation asks, and takes the annotation away", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, objects } = await fixture.createDevice();
  await objects.reconcile(signal);
  const before = device.keys?.key;
  await fixture.connectAgent(device);
  await until(() => device.link.up, "a link");
  device.edge = await fixture.api.patchObject(EDGE_DEVICE, fixture.ref, {
    metadata: { annotations: { [ROTATE]: "now" } },
  });
  await objects.reconcile(signal);
  await until(() => !device.credential.rotating, "the device's confirmation");
  assert.notDeepEqual(device.keys?.key, before);
  await objects.reconcile(signal);
  const secret = await agentSecret(fixture);
  assert.equal(secret.data?.["previous-token"], undefined);
  const { metadata } = await fixture.api.get(EDGE_DEVICE, fixture.ref);
  assert.equal(metadata.annotations?.[ROTATE], undefined);
});

Deno.test("ensure() waits with a rotation until the device is connected", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, objects } = await fixture.createDevice({
    annotations: { [ROTATE]: "now" },
  });
  await objects.reconcile(signal);
  assert.equal(device.credential.rotating, false);
  const { metadata } = await fixture.api.get(EDGE_DEVICE, fixture.ref);
  assert.equal(metadata.annotations?.[ROTATE], "now");
});

Deno.test("ensure() goes back to the former credential when the Secret can't be written", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, objects } = await fixture.createDevice();
  await objects.reconcile(signal);
  const before = device.keys;
  await fixture.connectAgent(device);
  await until(() => device.link.up, "a link");
  device.edge = await fixture.api.patchObject(EDGE_DEVICE, fixture.ref, {
    metadata: { annotations: { [ROTATE]: "now" } },
  });
  fixture.api.failures.set(
    "patch secrets",
    new AranyaError("unavailable", "Cannot patch: away"),
  );
  await assert.rejects(objects.reconcile(signal), /away/);
  assert.deepEqual(device.keys, before);
});
