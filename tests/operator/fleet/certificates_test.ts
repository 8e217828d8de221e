// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SILENT_LOGGER, SYSTEM_CLOCK } from "../../../lib/shared/base/mod.ts";
import {
  CERTIFICATE_SIGNING_REQUEST,
  type EdgeDevice,
  SECRET,
} from "../../../lib/operator/kube/mod.ts";
import {
  ServingCertificates,
  type ServingCertificatesOptions,
  toSubject,
} from "../../../lib/operator/fleet/certificates.ts";
import { toSecret } from "../../../lib/operator/device/mod.ts";
import type { KubeletServer } from "../../../lib/operator/kubelet/mod.ts";
import { toTlsSecret } from "../../../lib/operator/fleet/tls_secret.ts";
import {
  createAuthority,
  issueServerCertificate,
} from "../../../lib/operator/pki/mod.ts";
import { DeviceFixture } from "../_support/device_fixture.ts";
import { until } from "../../../dev/base/wait.ts";

function createCertificates(
  fixture: DeviceFixture,
  options: Partial<ServingCertificatesOptions> = {},
) {
  return new ServingCertificates({
    client: fixture.api,
    namespace: fixture.ref.namespace,
    requests: fixture.stores.requests,
    secrets: fixture.stores.devices.secrets,
    names: { ips: ["10.0.0.7"], dnsNames: [] },
    log: SILENT_LOGGER,
    clock: SYSTEM_CLOCK,
    isBusy: () => false,
    onHostTls() {},
    onProblemsChanged() {},
    firstRequestDelayMs: 0,
    ...options,
  });
}

/** A kubelet server that records the certificates that it gets. */
function createServer() {
  const certs: string[] = [];
  const server: KubeletServer = {
    port: 20_000,
    setTls: ({ cert }) => void certs.push(cert),
    close: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return { server, certs };
}

const DAY_MS = 86_400_000;

/** Puts a Secret with the host's certificate, of 100 days, which has been valid for so many. */
async function putHostSecret(fixture: DeviceFixture, ageDays: number) {
  const nowMs = Date.now() - ageDays * DAY_MS;
  const pair = await issueServerCertificate({
    authority: await createAuthority({ name: "cluster", nowMs }),
    commonName: "system:node:aranya-10-0-0-7",
    ips: ["10.0.0.7"],
    dnsNames: [],
    days: 100,
    nowMs,
  });
  await fixture.api.putObject(
    SECRET,
    toTlsSecret(pair, {
      namespace: fixture.ref.namespace,
      name: "aranya-host-10-0-0-7-tls",
    }),
  );
  return pair;
}

Deno.test("ServingCertificates uses the host's stored certificate without a request", async () => {
  await using fixture = await DeviceFixture.start();
  const pair = await putHostSecret(fixture, 1);
  await using certificates = createCertificates(fixture);
  assert.deepEqual(await certificates.host, pair);
  assert.deepEqual(fixture.api.takeWriteCounts(), {});
});

Deno.test("ServingCertificates requests a certificate from the cluster's signer and approves its own request", async () => {
  await using fixture = await DeviceFixture.start();
  await using _certificates = createCertificates(fixture);
  const { name, spec, status } = await until(async () => {
    const [name] = await fixture.api.listKeys(CERTIFICATE_SIGNING_REQUEST);
    if (name === undefined) return undefined;
    const ref = { name };
    const found = await fixture.api.get(CERTIFICATE_SIGNING_REQUEST, ref);
    return found.status?.conditions ? { name, ...found } : undefined;
  }, "a request and its approval");
  assert.match(name, /^home-[0-9a-f]{8}-aranya-host-10-0-0-7-[0-9a-f]{8}$/);
  assert.equal(spec.signerName, "kubernetes.io/kubelet-serving");
  assert.deepEqual(spec.usages, ["digital signature", "server auth"]);
  assert.equal(status?.conditions?.[0]?.type, "Approved");
});

Deno.test("ServingCertificates serves with a certificate that is due, and reports one that nears its end", async () => {
  await using fixture = await DeviceFixture.start();
  const pair = await putHostSecret(fixture, 95);
  const changed: string[] = [];
  await using certificates = createCertificates(fixture, {
    onProblemsChanged: (device) => void changed.push(device),
  });
  const { device } = await fixture.createDevice();
  certificates.request(device.edge, createServer().server);
  assert.deepEqual(await certificates.host, pair);
  assert.deepEqual(certificates.hostTls, pair);
  await until(() => changed.length > 0, "a change");
  const [problem] = certificates.problemsOf(device.name);
  assert.equal(problem?.type, "CertificateExpiring");
  assert.equal(problem?.reason, "ServingCertificateExpiring");
  assert.match(problem?.message ?? "", /ends at \d{4}-.*Z and was not renewed/);
});

Deno.test("ServingCertificates reports nothing about a certificate that is merely due", async () => {
  await using fixture = await DeviceFixture.start();
  await putHostSecret(fixture, 85);
  await using certificates = createCertificates(fixture);
  await certificates.host;
  const { device } = await fixture.createDevice();
  certificates.request(device.edge, createServer().server);
  assert.deepEqual(certificates.problemsOf(device.name), []);
});

for (const type of ["Opaque", "kubernetes.io/tls"]) {
  Deno.test(`ServingCertificates leaves a foreign ${type} Secret alone, and reports the conflict`, async () => {
    await using fixture = await DeviceFixture.start();
    await putHostSecret(fixture, 1);
    const { namespace, name } = fixture.ref;
    const ref = { namespace, name: `${name}-kubelet-tls` };
    const foreign = await fixture.api.putObject(SECRET, {
      metadata: ref,
      type,
      data: { "tls.crt": btoa("theirs"), "tls.key": btoa("theirs") },
    });
    await using certificates = createCertificates(fixture);
    const { device } = await fixture.createDevice();
    const { server, certs } = createServer();
    certificates.request(device.edge, server);
    await until(
      () => certificates.problemsOf(name).length > 0,
      "a problem",
    );
    assert.deepEqual(
      certificates.problemsOf(name).map(({ reason }) => reason),
      [
        "SecretExists",
      ],
    );
    assert.deepEqual(await fixture.api.get(SECRET, ref), foreign);
    assert.deepEqual(
      await fixture.api.listKeys(CERTIFICATE_SIGNING_REQUEST),
      [],
    );
    assert.deepEqual(certs, []);
    certificates.release(name);
    assert.deepEqual(certificates.problemsOf(name), []);
  });
}

Deno.test("ServingCertificates restores the labels of a device's Secret, and keeps its certificate", async () => {
  await using fixture = await DeviceFixture.start();
  await putHostSecret(fixture, 1);
  const { device } = await fixture.createDevice();
  const { namespace, name } = fixture.ref;
  const pair = await issueServerCertificate({
    authority: await createAuthority({ name: "cluster" }),
    commonName: `system:node:${name}`,
    ips: ["10.0.0.7"],
    dnsNames: [],
  });
  const secret = toSecret(device.edge, {
    name: `${name}-kubelet-tls`,
    type: "kubernetes.io/tls",
    values: { "tls.crt": pair.cert, "tls.key": pair.key },
  });
  const { labels, ...metadata } = secret.metadata;
  await fixture.api.putObject(SECRET, { ...secret, metadata });
  await using certificates = createCertificates(fixture);
  const { server, certs } = createServer();
  certificates.request(device.edge, server);
  await until(() => certs.length > 0, "a certificate");
  assert.deepEqual(certs, [pair.cert]);
  // The certificate is used before the write of the labels has ended.
  const read = () =>
    fixture.api.get(SECRET, { namespace, name: `${name}-kubelet-tls` });
  await until(
    async () => (await read()).metadata.labels !== undefined,
    "the labels",
  );
  const found = await read();
  assert.deepEqual(found.metadata.labels, labels);
  assert.deepEqual(found.data, secret.data);
});

Deno.test("toSubject() sets the signer's organization and keeps the other names", () => {
  const edge: EdgeDevice = {
    metadata: { name: "edge-1" },
    spec: { certInfo: { org: "ACME", orgUnit: "hall 7", country: "DE" } },
  };
  assert.deepEqual(toSubject(edge), {
    commonName: "system:node:edge-1",
    organizations: ["system:nodes"],
    organizationalUnits: ["hall 7"],
    country: "DE",
  });
});
