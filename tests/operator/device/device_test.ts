// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SECRET } from "../../../lib/operator/kube/mod.ts";
import { DeviceFixture } from "../_support/device_fixture.ts";
import { until } from "../_support/wait.ts";

const signal = new AbortController().signal;

Deno.test("revoke() ends the link, refuses the credential, and the next look makes another", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, objects } = await fixture.createDevice();
  await objects.reconcile(signal);
  const before = device.keys?.key;
  const agent = await fixture.connectAgent(device);
  await until(() => device.link.up, "a link");
  const { namespace, name } = fixture.ref;
  await fixture.api.deleteObject(SECRET, { namespace, name: `${name}-agent` });
  await fixture.waitForInformers();
  objects.forget("Secret");
  device.revoke();
  await agent.ended;
  assert.equal(device.credential.toSecretValues().token, null);
  await objects.reconcile(signal);
  assert.equal(device.keys?.key.length, 32);
  assert.notDeepEqual(device.keys?.key, before);
});

Deno.test("edge ignores an older state than the one that is known", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const { metadata } = device.edge;
  device.edge = {
    ...device.edge,
    metadata: { ...metadata, resourceVersion: "0", generation: 99 },
  };
  assert.equal(device.edge.metadata.generation, 1);
});

Deno.test("troubles name an organization that the signer does not take", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice({
    spec: { certInfo: { org: "ACME" } },
  });
  assert.deepEqual(device.troubles.map(({ type }) => type), [
    "CertificateIncomplete",
  ]);
});

Deno.test("noteVersion() shows an agent that can't be served until a link comes up", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  device.noteVersion("Cannot serve version 9");
  assert.equal(device.troubles[0]?.message, "Cannot serve version 9");
  await fixture.connectAgent(device);
  assert.deepEqual(device.troubles, []);
});

Deno.test("handlers know the virtual pod's one container and refuse others", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const target = {
    namespace: fixture.ref.namespace,
    pod: fixture.ref.name,
    container: "app",
  };
  await assert.rejects(
    device.handlers.exec({
      target,
      command: ["true"],
      stdin: false,
      stdout: true,
      stderr: false,
      tty: false,
    }),
    {
      code: "not_found",
      message: /its one container is "host"/,
    },
  );
});

Deno.test("close() ends the link with its reason and may be called twice", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const agent = await fixture.connectAgent(device);
  await until(() => device.link.up, "a link");
  await device[Symbol.asyncDispose]();
  await device[Symbol.asyncDispose]();
  await agent.ended;
  assert.equal(device.link.up, false);
});
