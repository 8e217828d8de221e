// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SILENT_LOGGER, SYSTEM_CLOCK } from "../../../lib/shared/base/mod.ts";
import {
  CERTIFICATE_SIGNING_REQUEST,
  type EdgeDevice,
  SECRET,
} from "../../../lib/operator/kube/mod.ts";
import {
  AUTHORITY_SECRET,
  createCertificates,
  ensureAuthority,
  toSubject,
  toTlsSecret,
} from "../../../lib/operator/fleet/certificates.ts";
import {
  createAuthority,
  inspectCertificate,
  issueServerCertificate,
} from "../../../lib/operator/pki/mod.ts";
import { CountingApi } from "../_support/counting_api.ts";
import { DeviceFixture } from "../_support/device_fixture.ts";
import { until } from "../_support/wait.ts";

const { signal } = new AbortController();

Deno.test("ensureAuthority() creates one CA, also when two ask at the same time", async () => {
  await using api = await CountingApi.open();
  const { namespace } = api;
  const [first, second] = await Promise.all([
    ensureAuthority(api, { namespace, signal }),
    ensureAuthority(api, { namespace, signal }),
  ]);
  assert.deepEqual(first, second);
  assert.deepEqual(await ensureAuthority(api, { namespace, signal }), first);
  assert.equal((await inspectCertificate(first.cert)).isAuthority, true);
});

Deno.test("ensureAuthority() does not touch a Secret that holds something else", async () => {
  await using api = await CountingApi.open();
  const { namespace } = api;
  await api.putObject(SECRET, {
    metadata: { namespace, name: AUTHORITY_SECRET },
  });
  await assert.rejects(ensureAuthority(api, { namespace, signal }), {
    code: "invalid",
    message: /holds no CA/,
  });
  assert.deepEqual(api.takeWriteCounts(), {});
});

function certificatesOn(fixture: DeviceFixture) {
  return createCertificates({
    client: fixture.api,
    namespace: fixture.ref.namespace,
    requests: fixture.stores.requests,
    secrets: fixture.stores.devices.secrets,
    names: { ips: ["10.0.0.7"], dnsNames: [] },
    log: SILENT_LOGGER,
    clock: SYSTEM_CLOCK,
    isBusy: () => false,
    onHost() {},
  });
}

Deno.test("createCertificates() uses the host's certificate that is kept, and asks nobody", async () => {
  await using fixture = await DeviceFixture.start();
  const { namespace } = fixture.ref;
  const pair = await issueServerCertificate({
    authority: await createAuthority({ name: "cluster" }),
    commonName: "system:node:aranya-10-0-0-7",
    ips: ["10.0.0.7"],
    dnsNames: [],
  });
  await fixture.api.putObject(
    SECRET,
    toTlsSecret(pair, { namespace, name: "aranya-host-10-0-0-7-tls" }),
  );
  await using certificates = certificatesOn(fixture);
  assert.deepEqual(await certificates.host, pair);
  assert.deepEqual(fixture.api.takeWriteCounts(), {});
});

Deno.test("createCertificates() asks the cluster's signer, and approves what it asked for itself", async () => {
  await using fixture = await DeviceFixture.start();
  await using _certificates = certificatesOn(fixture);
  await until(() => fixture.api.writes.length >= 2, "request and approval");
  const [name = ""] = await fixture.api.listKeys(CERTIFICATE_SIGNING_REQUEST);
  const { spec, status } = await fixture.api.get(CERTIFICATE_SIGNING_REQUEST, {
    name,
  });
  assert.match(name, /^home-[0-9a-f]{8}-aranya-host-10-0-0-7-[0-9a-f]{8}$/);
  assert.equal(spec.signerName, "kubernetes.io/kubelet-serving");
  assert.deepEqual(spec.usages, ["digital signature", "server auth"]);
  assert.equal(status?.conditions?.[0]?.type, "Approved");
});

Deno.test("toSubject() keeps the signer's organization and adds what else is given", () => {
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
