// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  createSigningRequest,
  inspectCertificate,
  inspectRequest,
  publicKeyOf,
  toRenewalTimeMs,
} from "../../../lib/operator/pki/mod.ts";

Deno.test("inspectCertificate(), inspectRequest() and publicKeyOf() refuse what they can't read", async () => {
  const texts = [
    "",
    "garbage",
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
  ];
  for (const text of texts) {
    await assert.rejects(inspectCertificate(text), { code: "invalid" });
    await assert.rejects(inspectRequest(text), { code: "invalid" });
    await assert.rejects(publicKeyOf(text), { code: "invalid" });
  }
});

Deno.test("inspectRequest() refuses a request that was changed", async () => {
  const { csr } = await createSigningRequest({
    subject: { commonName: "system:node:edge-1" },
    ips: [],
    dnsNames: [],
  });
  const body = csr.split("\n").slice(1, -2).join("");
  const der = Uint8Array.from(atob(body), (letter) => letter.charCodeAt(0));
  const at = new TextDecoder("latin1").decode(der).indexOf("edge-1");
  der[at + 5] = "2".charCodeAt(0);
  const changed = btoa(String.fromCharCode(...der)).replaceAll(
    /.{64}/g,
    "$&\n",
  );
  await assert.rejects(
    inspectRequest(
      `-----BEGIN CERTIFICATE REQUEST-----\n${changed}\n-----END CERTIFICATE REQUEST-----\n`,
    ),
    { code: "invalid", message: /signature is wrong/ },
  );
});

Deno.test("toRenewalTimeMs() lies between 70 and 90 percent of the life", () => {
  const life = { notBeforeMs: 1000, notAfterMs: 2000 };
  assert.equal(toRenewalTimeMs(life, { random: () => 0 }), 1700);
  assert.ok(toRenewalTimeMs(life, { random: () => 0.999 }) < 1900);
});
