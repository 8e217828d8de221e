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
import { Stage, until } from "../device/_support/stage.ts";

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
  await api.put(SECRET, { metadata: { namespace, name: AUTHORITY_SECRET } });
  await assert.rejects(ensureAuthority(api, { namespace, signal }), {
    code: "invalid",
    message: /holds no CA/,
  });
  assert.deepEqual(api.countWrites(), {});
});

function certificatesOn(stage: Stage) {
  return createCertificates({
    client: stage.api,
    namespace: stage.home.namespace,
    requests: stage.stores.requests,
    secrets: stage.stores.devices.secrets,
    names: { ips: ["10.0.0.7"], dnsNames: [] },
    log: SILENT_LOGGER,
    clock: SYSTEM_CLOCK,
    isBusy: () => false,
    onHost() {},
  });
}

Deno.test("createCertificates() uses the host's certificate that is kept, and asks nobody", async () => {
  await using stage = await Stage.start();
  const { namespace } = stage.home;
  const pair = await issueServerCertificate({
    authority: await createAuthority({ name: "cluster" }),
    commonName: "system:node:aranya-10-0-0-7",
    ips: ["10.0.0.7"],
    dnsNames: [],
  });
  await stage.api.put(
    SECRET,
    toTlsSecret(pair, { namespace, name: "aranya-host-10-0-0-7-tls" }),
  );
  await using certificates = certificatesOn(stage);
  assert.deepEqual(await certificates.host, pair);
  assert.deepEqual(stage.api.countWrites(), {});
});

Deno.test("createCertificates() asks the cluster's signer, and approves what it asked for itself", async () => {
  await using stage = await Stage.start();
  await using _certificates = certificatesOn(stage);
  await until(() => stage.api.writes.length >= 2, "request and approval");
  const [name = ""] = await stage.api.names(CERTIFICATE_SIGNING_REQUEST);
  const { spec, status } = await stage.api.get(CERTIFICATE_SIGNING_REQUEST, {
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
