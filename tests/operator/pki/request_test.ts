// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  createSigningRequest,
  inspectRequest,
  publicKeyOf,
} from "../../../lib/operator/pki/mod.ts";

const SUBJECT = {
  commonName: "system:node:edge-1",
  organizations: ["system:nodes"],
};

Deno.test("createSigningRequest() asks for a kubelet's serving certificate", async () => {
  const { csr, key, publicKey } = await createSigningRequest({
    subject: SUBJECT,
    ips: ["10.0.0.1"],
    dnsNames: ["host-1"],
  });
  assert.match(csr, /^-----BEGIN CERTIFICATE REQUEST-----\n/);
  assert.deepEqual(await inspectRequest(csr), {
    ...SUBJECT,
    publicKey,
    ips: ["10.0.0.1"],
    dnsNames: ["host-1"],
  });
  assert.equal(await publicKeyOf(key), publicKey);
});

Deno.test("createSigningRequest() goes on with a key that is there", async () => {
  const names = { subject: SUBJECT, ips: [], dnsNames: ["a"] };
  const first = await createSigningRequest(names);
  const second = await createSigningRequest({ ...names, key: first.key });
  assert.equal(second.key, first.key);
  assert.equal(second.publicKey, first.publicKey);
});

Deno.test("createSigningRequest() leaves empty parts of the subject out", async () => {
  const { csr } = await createSigningRequest({
    subject: {
      ...SUBJECT,
      organizations: ["", "o"],
      country: "",
      locality: "L",
    },
    ips: [],
    dnsNames: ["a"],
  });
  assert.deepEqual((await inspectRequest(csr)).organizations, ["o"]);
});

Deno.test("createSigningRequest() refuses a key that is none", async () => {
  await assert.rejects(
    createSigningRequest({
      subject: SUBJECT,
      ips: [],
      dnsNames: [],
      key: "nothing",
    }),
    { code: "invalid" },
  );
});
