// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SECRET } from "../../../lib/operator/kube/mod.ts";
import { Device } from "../../../lib/operator/device/device.ts";
import { toVirtualPod } from "../../../lib/operator/device/virtual_pod.ts";
import { DeviceFixture, SETTINGS } from "../_support/device_fixture.ts";
import { until } from "../../../dev/base/wait.ts";

const signal = new AbortController().signal;

Deno.test("revoke() closes the link and drops the credential; the next reconciliation makes another one", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, reconciler } = await fixture.createDevice();
  await reconciler.reconcile(signal);
  const before = device.findKeys()?.key;
  const agent = await fixture.connectAgent(device);
  await until(() => device.link.isUp, "a link");
  const { namespace, name } = fixture.ref;
  await fixture.api.deleteObject(SECRET, { namespace, name: `${name}-agent` });
  await fixture.waitForInformers();
  reconciler.forgetWrite("Secret");
  device.revoke();
  await agent.ended;
  assert.equal(device.credential.toSecretValues().token, null);
  await reconciler.reconcile(signal);
  assert.equal(device.findKeys()?.key.length, 32);
  assert.notDeepEqual(device.findKeys()?.key, before);
});

Deno.test("ownsVirtualPod() is false for a pod that was not made for the device", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const own = toVirtualPod(device.edge);
  assert.equal(device.isVirtualPod(own.metadata), true);
  assert.equal(device.ownsVirtualPod(own), true);
  const foreign = { ...own, metadata: fixture.ref };
  assert.equal(device.isVirtualPod(foreign.metadata), true);
  assert.equal(device.ownsVirtualPod(foreign), false);
});

Deno.test("observeEdge() refuses an older state than the present one", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const { metadata } = device.edge;
  const older = {
    ...device.edge,
    metadata: { ...metadata, resourceVersion: "0", generation: 99 },
  };
  assert.equal(device.observeEdge(older), false);
  assert.equal(device.edge.metadata.generation, 1);
  const newer = {
    ...device.edge,
    metadata: { ...metadata, generation: 2 },
  };
  assert.equal(device.observeEdge(newer), true);
  assert.equal(device.edge.metadata.generation, 2);
});

Deno.test("problems name an organization that the signer does not allow", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice({
    spec: { certInfo: { org: "ACME" } },
  });
  assert.deepEqual(device.problems.map(({ type }) => type), [
    "CertificateIncomplete",
  ]);
});

Deno.test("problems name a setting that can't be read", async () => {
  await using fixture = await DeviceFixture.start();
  const { edge } = (await fixture.createDevice()).device;
  const ignored = [{ field: "spec.a", text: "b", expected: "c" }];
  const device = fixture.scope.use(
    new Device(edge, {
      ...fixture.context,
      settings: {
        ...fixture.context.settings,
        of: () => ({ ...SETTINGS, ignored }),
      },
    }),
  );
  assert.deepEqual(device.problems.map(({ message }) => message), [
    'Cannot read spec.a: it is "b" and the default is used, expected c',
  ]);
});

Deno.test("onVersionUnsupported() adds a problem until a link is up", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  device.onVersionUnsupported("Cannot serve version 9");
  assert.equal(device.problems[0]?.message, "Cannot serve version 9");
  await fixture.connectAgent(device);
  await until(() => device.link.isUp, "a link");
  assert.deepEqual(device.problems, []);
});

Deno.test("handlers find the virtual pod's only container and refuse others", async () => {
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

Deno.test("close() closes the link and may be called twice", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const agent = await fixture.connectAgent(device);
  await until(() => device.link.isUp, "a link");
  await device[Symbol.asyncDispose]();
  await device[Symbol.asyncDispose]();
  await agent.ended;
  assert.equal(device.link.isUp, false);
});
