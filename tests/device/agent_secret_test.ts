// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../lib/base/mod.ts";
import { EDGE_DEVICE, SECRET } from "../../lib/kube/mod.ts";
import { secretText } from "../../lib/device/objects.ts";
import { Stage, until } from "./stage.ts";

const signal = new AbortController().signal;
const HOME = { namespace: "home", name: "edge-1" };
const AGENT = { namespace: "home", name: "edge-1-agent" };
const ROTATE = "aranya.arhat.dev/rotate-credential";

Deno.test("ensure() writes agent.yaml, token and CA, and repairs them", async () => {
  await using stage = new Stage();
  const { objects } = await stage.add();
  await objects.reconcile(signal);
  const secret = await stage.api.get(SECRET, AGENT);
  assert.match(secretText(secret, "agent.yaml") ?? "", /^device: edge-1\n/);
  assert.equal(secretText(secret, "ca.crt"), "CA\n");
  const token = secretText(secret, "token");
  stage.api.put(SECRET, {
    ...secret,
    data: { ...secret.data, "ca.crt": btoa("forged") },
  });
  await stage.settle();
  await objects.reconcile(signal);
  const repaired = await stage.api.get(SECRET, AGENT);
  assert.equal(secretText(repaired, "ca.crt"), "CA\n");
  assert.equal(secretText(repaired, "token"), token);
});

Deno.test("ensure() gives a connected device a new credential when the annotation asks, and takes the annotation away", async () => {
  await using stage = new Stage();
  const { device, objects } = await stage.add();
  await objects.reconcile(signal);
  const before = device.keys?.key;
  await stage.connect(device);
  await until(() => device.link.up, "a link");
  device.edge = await stage.api.patch(EDGE_DEVICE, HOME, {
    body: { metadata: { annotations: { [ROTATE]: "now" } } },
  });
  await objects.reconcile(signal);
  await until(() => !device.credential.rotating, "the device's confirmation");
  assert.notDeepEqual(device.keys?.key, before);
  await objects.reconcile(signal);
  const secret = await stage.api.get(SECRET, AGENT);
  assert.equal(secret.data?.["previous-token"], undefined);
  const { metadata } = await stage.api.get(EDGE_DEVICE, HOME);
  assert.equal(metadata.annotations?.[ROTATE], undefined);
});

Deno.test("ensure() waits with a rotation until the device is connected", async () => {
  await using stage = new Stage();
  const { device, objects } = await stage.add("edge-1", {
    metadata: { name: "edge-1", annotations: { [ROTATE]: "now" } },
  });
  await objects.reconcile(signal);
  assert.equal(device.credential.rotating, false);
  const { metadata } = await stage.api.get(EDGE_DEVICE, HOME);
  assert.equal(metadata.annotations?.[ROTATE], "now");
});

Deno.test("ensure() goes back to the former credential when the Secret can't be written", async () => {
  await using stage = new Stage();
  const { device, objects } = await stage.add();
  await objects.reconcile(signal);
  const before = device.keys;
  await stage.connect(device);
  await until(() => device.link.up, "a link");
  device.edge = await stage.api.patch(EDGE_DEVICE, HOME, {
    body: { metadata: { annotations: { [ROTATE]: "now" } } },
  });
  stage.api.failures.set(
    "patch secrets",
    new AranyaError("unavailable", "Cannot patch: away"),
  );
  await assert.rejects(objects.reconcile(signal), /away/);
  assert.deepEqual(device.keys, before);
});
