// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  createAuthority,
  hashPublicKeyOf,
  inspectCertificate,
  issueServerCertificate,
} from "../../../lib/operator/pki/mod.ts";

const INVALID_TEXTS = [
  "",
  "garbage",
  "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
  "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
];

Deno.test("inspectCertificate() rejects when there is no valid certificate", async () => {
  for (const text of INVALID_TEXTS) {
    await assert.rejects(inspectCertificate(text), {
      code: "invalid",
      message: /^Cannot parse certificate: /,
    });
  }
});

Deno.test("inspectCertificate() reads the first certificate when there are several", async () => {
  const authority = await createAuthority({ name: "ca" });
  const { cert } = await issueServerCertificate({
    authority,
    commonName: "leaf",
    ips: ["10.0.0.1"],
    dnsNames: ["edge.example"],
  });
  const facts = await inspectCertificate(cert + authority.cert);
  assert.equal(facts.commonName, "leaf");
  assert.equal(facts.isAuthority, false);
  assert.deepEqual(facts.ips, ["10.0.0.1"]);
  assert.deepEqual(facts.dnsNames, ["edge.example"]);
});

Deno.test("hashPublicKeyOf() rejects when there is no valid key", async () => {
  for (const text of INVALID_TEXTS) {
    await assert.rejects(hashPublicKeyOf(text), {
      code: "invalid",
      message: "Cannot parse private key: not a key in PEM",
    });
  }
});
