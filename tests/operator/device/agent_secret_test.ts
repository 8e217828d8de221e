// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import { EDGE_DEVICE, SECRET } from "../../../lib/operator/kube/mod.ts";
import { AgentSecret } from "../../../lib/operator/device/agent_secret.ts";
import type { Device } from "../../../lib/operator/device/device.ts";
import { createAuthority } from "../../../lib/operator/pki/mod.ts";
import { ObjectWriter } from "../../../lib/operator/device/writer.ts";
import { secretText } from "../../../lib/operator/device/objects.ts";
import {
  ACCEPTING_HANDLERS,
  DeviceFixture,
} from "../_support/device_fixture.ts";
import { Method } from "../../../lib/shared/wire/mod.ts";
import { until } from "../../../dev/base/wait.ts";

const signal = new AbortController().signal;
const ROTATE = "aranya.arhat.dev/rotate-credential";

function agentSecret(fixture: DeviceFixture) {
  const { namespace, name } = fixture.ref;
  return fixture.api.get(SECRET, { namespace, name: `${name}-agent` });
}

/** Makes the step of a reconciliation that has just begun. */
function openSecret(
  fixture: DeviceFixture,
  device: Device,
): { writer: ObjectWriter; secret: AgentSecret } {
  const writer = new ObjectWriter(fixture.api);
  writer.begin(device.edge);
  return { writer, secret: new AgentSecret(device, writer) };
}

Deno.test("ensure() writes agent.yaml, token and CA, and corrects them", async () => {
  await using fixture = await DeviceFixture.start();
  const { reconciler } = await fixture.createDevice();
  await reconciler.reconcile(signal);
  const secret = await agentSecret(fixture);
  assert.match(secretText(secret, "agent.yaml") ?? "", /^device: edge-.+\n/);
  assert.equal(secretText(secret, "ca.crt"), "CA\n");
  const token = secretText(secret, "token");
  await fixture.api.putObject(SECRET, {
    ...secret,
    data: { ...secret.data, "ca.crt": btoa("forged") },
  });
  await fixture.waitForInformers();
  await reconciler.reconcile(signal);
  const repaired = await agentSecret(fixture);
  assert.equal(secretText(repaired, "ca.crt"), "CA\n");
  assert.equal(secretText(repaired, "token"), token);
});

Deno.test("ensure() rotates the credential of a connected device on request, and the annotation is removed", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, reconciler } = await fixture.createDevice();
  await reconciler.reconcile(signal);
  const before = device.findKeys()?.key;
  await fixture.connectAgent(device);
  await until(() => device.link.isUp, "a link");
  device.observeEdge(
    await fixture.api.patchObject(EDGE_DEVICE, fixture.ref, {
      metadata: { annotations: { [ROTATE]: "now" } },
    }),
  );
  await reconciler.reconcile(signal);
  assert.notDeepEqual(device.findKeys()?.key, before);
  await fixture.connectAgent(device);
  await until(() => !device.credential.isRotating, "the device's confirmation");
  await reconciler.reconcile(signal);
  const secret = await agentSecret(fixture);
  assert.equal(secret.data?.["previous-token"], undefined);
  const { metadata } = await fixture.api.get(EDGE_DEVICE, fixture.ref);
  assert.equal(metadata.annotations?.[ROTATE], undefined);
});

Deno.test("ensure() does not rotate the credential of an offline device", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, reconciler } = await fixture.createDevice({
    annotations: { [ROTATE]: "now" },
  });
  await reconciler.reconcile(signal);
  assert.equal(device.credential.isRotating, false);
  const { metadata } = await fixture.api.get(EDGE_DEVICE, fixture.ref);
  assert.equal(metadata.annotations?.[ROTATE], "now");
});

Deno.test("ensure() restores the credential when the Secret can't be written", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, reconciler } = await fixture.createDevice();
  await reconciler.reconcile(signal);
  const before = device.findKeys();
  await fixture.connectAgent(device);
  await until(() => device.link.isUp, "a link");
  device.observeEdge(
    await fixture.api.patchObject(EDGE_DEVICE, fixture.ref, {
      metadata: { annotations: { [ROTATE]: "now" } },
    }),
  );
  fixture.api.failures.set(
    "patch secrets",
    new AranyaError("unavailable", "Cannot patch: away"),
  );
  await assert.rejects(reconciler.reconcile(signal), /away/);
  assert.deepEqual(device.findKeys(), before);
});

Deno.test("ensure() neither rotates nor sends a credential while the Secret is foreign", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, reconciler } = await fixture.createDevice();
  await reconciler.reconcile(signal);
  const before = device.findKeys();
  let sentCount = 0;
  await fixture.connectAgent(device, {
    handlers: {
      ...ACCEPTING_HANDLERS,
      request(method) {
        if (method === Method.ROTATE_CREDENTIAL) sentCount++;
        return Promise.resolve(new Uint8Array());
      },
    },
  });
  await until(() => device.link.isUp, "a link");
  const secret = await agentSecret(fixture);
  const { ownerReferences } = secret.metadata;
  await fixture.api.patchObject(SECRET, secret.metadata, {
    metadata: { ownerReferences: null },
  });
  await fixture.waitForInformers();
  device.observeEdge(
    await fixture.api.patchObject(EDGE_DEVICE, fixture.ref, {
      metadata: { annotations: { [ROTATE]: "now" } },
    }),
  );
  await reconciler.reconcile(signal);
  await device.rotation.settled();
  assert.equal(sentCount, 0);
  assert.deepEqual(device.findKeys(), before);
  assert.deepEqual((await agentSecret(fixture)).data, secret.data);
  // It is done as soon as the Secret is the device's own again.
  await fixture.api.patchObject(SECRET, secret.metadata, {
    metadata: { ownerReferences },
  });
  await fixture.waitForInformers();
  await reconciler.reconcile(signal);
  await device.rotation.settled();
  assert.equal(sentCount, 1);
  assert.ok((await agentSecret(fixture)).data?.["previous-token"]);
});

Deno.test("ensure() undoes a rotation when the Secret turns out to be foreign as it is written", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, reconciler } = await fixture.createDevice();
  await reconciler.reconcile(signal);
  await fixture.connectAgent(device);
  await until(() => device.link.isUp, "a link");
  await fixture.waitForInformers();
  device.observeEdge(
    await fixture.api.patchObject(EDGE_DEVICE, fixture.ref, {
      metadata: { annotations: { [ROTATE]: "now" } },
    }),
  );
  const before = device.findKeys();
  const { writer, secret } = openSecret(fixture, device);
  writer.ensure = () => Promise.resolve(undefined);
  await secret.ensure(signal);
  assert.deepEqual(device.findKeys(), before);
});

Deno.test("ensure() adopts the credential of a Secret without labels, as a new process does", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, reconciler } = await fixture.createDevice();
  await reconciler.reconcile(signal);
  const { metadata } = await agentSecret(fixture);
  await fixture.api.patchObject(SECRET, metadata, {
    metadata: { labels: null },
  });
  await fixture.waitForInformers();
  const next = fixture.openDevice(device.edge);
  await next.reconciler.reconcile(signal);
  assert.deepEqual(next.device.credential.keys, device.credential.keys);
  const secret = await agentSecret(fixture);
  assert.equal(secret.metadata.labels?.["arhat.dev/name"], device.name);
});

Deno.test("checkRevocation() revokes when the Secret was deleted, and not while the API server is away", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const { writer, secret } = openSecret(fixture, device);
  await secret.ensure(signal);
  await fixture.waitForInformers();
  const before = device.credential.keys;
  const { metadata } = await agentSecret(fixture);
  await fixture.api.deleteObject(SECRET, metadata);
  await fixture.waitForInformers();
  writer.forgetWrite(SECRET.kind);
  fixture.api.failures.set(
    "find secrets",
    new AranyaError("unavailable", "Cannot get secrets: away"),
  );
  await assert.rejects(secret.checkRevocation(signal), /away/);
  await assert.rejects(secret.ensure(signal), /away/);
  assert.deepEqual(device.credential.keys, before);
  fixture.api.failures.clear();
  await secret.checkRevocation(signal);
  assert.equal(device.credential.keys, undefined);
  await secret.ensure(signal);
  assert.notDeepEqual(device.credential.keys, before);
  const { metadata: { uid } } = await agentSecret(fixture);
  assert.notEqual(uid, metadata.uid);
});

const TEN_YEARS = 3650;

for (
  const { title, bundle, expected } of [
    {
      title: "a CA that ends within 180 days",
      bundle: [{ days: TEN_YEARS, daysLeft: 100 }],
      expected: ["AuthorityExpiring"],
    },
    {
      title: "no CA that ends later",
      bundle: [{ days: TEN_YEARS, daysLeft: 200 }],
      expected: [],
    },
    {
      title: "no short-lived CA before a fifth of its lifetime",
      bundle: [{ days: 90, daysLeft: 60 }],
      expected: [],
    },
    {
      title: "no CA with a successor in the bundle",
      bundle: [
        { days: TEN_YEARS, daysLeft: 10 },
        { days: TEN_YEARS, daysLeft: 3000 },
      ],
      expected: [],
    },
  ]
) {
  Deno.test(`problems contain ${title}`, async () => {
    await using fixture = await DeviceFixture.start();
    const certs = await Promise.all(bundle.map(async ({ days, daysLeft }) => {
      const nowMs = Date.now() - (days - daysLeft) * 86_400_000;
      return (await createAuthority({ name: "ingress", days, nowMs })).cert;
    }));
    const { namespace } = fixture.ref;
    const name = "endpoint";
    await fixture.api.putObject(SECRET, {
      metadata: { namespace, name },
      data: { "ca.crt": btoa(certs.join("")) },
    });
    const { sources } = fixture.stores;
    await until(
      () => sources.findSecret(namespace, name) !== undefined,
      "the CA in its store",
    );
    const { device } = await fixture.createDevice({
      spec: { connectivity: { grpcConfig: { tlsSecretRef: { name } } } },
    });
    const { secret } = openSecret(fixture, device);
    await secret.ensure(signal);
    assert.deepEqual(secret.problems.map(({ reason }) => reason), expected);
  });
}

Deno.test("ensure() keeps what the Secret holds while the CA's Secret does not exist", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const { secret } = openSecret(fixture, device);
  await secret.ensure(signal);
  const before = await agentSecret(fixture);
  device.observeEdge({
    ...device.edge,
    spec: {
      connectivity: { grpcConfig: { tlsSecretRef: { name: "endpoint" } } },
    },
  });
  await assert.rejects(secret.ensure(signal), {
    code: "not_found",
    message:
      `Cannot write Secret "${fixture.ref.name}-agent": Secret "endpoint" of tlsSecretRef does not exist`,
  });
  assert.deepEqual(await agentSecret(fixture), before);
  assert.ok(device.credential.keys);
});
