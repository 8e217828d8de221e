// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  createSigningRequest,
  type CreateSigningRequestOptions,
  hashPublicKeyOf,
} from "../../../lib/operator/pki/mod.ts";
import {
  ALTERNATIVE_NAMES_OID,
  fromAlternativeNames,
  x509,
} from "../../../lib/operator/pki/x509.ts";

const SUBJECT = {
  commonName: "system:node:edge-1",
  organizations: ["system:nodes"],
};

/** Creates a request and parses it with the library. */
async function createAndParse(options: CreateSigningRequestOptions) {
  const { csr, ...rest } = await createSigningRequest(options);
  return { ...rest, csr, parsed: new x509.Pkcs10CertificateRequest(csr) };
}

Deno.test("createSigningRequest() requests the certificate of a kubelet", async () => {
  const { csr, key, publicKeyHash, parsed } = await createAndParse({
    subject: SUBJECT,
    ips: ["10.0.0.1"],
    dnsNames: ["host-1"],
  });
  assert.match(csr, /^-----BEGIN CERTIFICATE REQUEST-----\n/);
  assert.ok(await parsed.verify());
  assert.equal(parsed.subject, "O=system:nodes, CN=system:node:edge-1");
  assert.deepEqual(
    Array.from(parsed.extensions, ({ type }) => type),
    [ALTERNATIVE_NAMES_OID],
  );
  assert.deepEqual(fromAlternativeNames(parsed.extensions[0]), {
    ips: ["10.0.0.1"],
    dnsNames: ["host-1"],
  });
  assert.equal(await hashPublicKeyOf(key), publicKeyHash);
});

Deno.test("createSigningRequest() leaves out empty fields of the subject", async () => {
  const { parsed } = await createAndParse({
    subject: {
      ...SUBJECT,
      organizations: ["", "o"],
      organizationalUnits: ["u"],
      country: "",
      state: "S",
      locality: "L",
    },
    ips: [],
    dnsNames: ["a"],
  });
  assert.equal(
    parsed.subject,
    "ST=S, L=L, O=o, OU=u, CN=system:node:edge-1",
  );
});

Deno.test("createSigningRequest() uses a new key on each call", async () => {
  const options = { subject: SUBJECT, ips: [], dnsNames: ["a"] };
  const first = await createSigningRequest(options);
  const second = await createSigningRequest(options);
  assert.notEqual(first.publicKeyHash, second.publicKeyHash);
});
