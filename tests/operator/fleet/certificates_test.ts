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
  toSubject,
} from "../../../lib/operator/fleet/certificates.ts";
import { toTlsSecret } from "../../../lib/operator/fleet/tls_secret.ts";
import {
  createAuthority,
  issueServerCertificate,
} from "../../../lib/operator/pki/mod.ts";
import { DeviceFixture } from "../_support/device_fixture.ts";
import { until } from "../../../dev/base/wait.ts";

function createCertificates(fixture: DeviceFixture) {
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
  });
}

Deno.test("ServingCertificates uses the host's stored certificate without a request", async () => {
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
  await using certificates = createCertificates(fixture);
  assert.deepEqual(await certificates.host, pair);
  assert.deepEqual(fixture.api.takeWriteCounts(), {});
});

Deno.test("ServingCertificates requests a certificate from the cluster's signer and approves its own request", async () => {
  await using fixture = await DeviceFixture.start();
  await using _certificates = createCertificates(fixture);
  await until(
    () => fixture.api.writes.length >= 2,
    "a request and its approval",
  );
  const [name = ""] = await fixture.api.listKeys(CERTIFICATE_SIGNING_REQUEST);
  const { spec, status } = await fixture.api.get(CERTIFICATE_SIGNING_REQUEST, {
    name,
  });
  assert.match(name, /^home-[0-9a-f]{8}-aranya-host-10-0-0-7-[0-9a-f]{8}$/);
  assert.equal(spec.signerName, "kubernetes.io/kubelet-serving");
  assert.deepEqual(spec.usages, ["digital signature", "server auth"]);
  assert.equal(status?.conditions?.[0]?.type, "Approved");
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
