// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  exportKey,
  fromAlternativeNames,
  generateKeys,
  hashPublicKey,
  importKeys,
  toAlternativeNames,
} from "../../../lib/operator/pki/x509.ts";

Deno.test("importKeys() reads what exportKey() writes, and derives the public key", async () => {
  const keys = await generateKeys();
  const imported = await importKeys(await exportKey(keys.privateKey));
  assert.equal(
    await hashPublicKey(imported.publicKey),
    await hashPublicKey(keys.publicKey),
  );
});

Deno.test("importKeys() rejects when it is not a P-256 key", async () => {
  const keys = await crypto.subtle.generateKey(
    { name: "ECDSA", namedCurve: "P-384" },
    true,
    ["sign", "verify"],
  ) as CryptoKeyPair;
  const pem = await exportKey(keys.privateKey);
  for (const text of [pem, "", "-----BEGIN PRIVATE KEY-----\nAA==\n"]) {
    await assert.rejects(importKeys(text), { code: "invalid" });
  }
});

Deno.test("fromAlternativeNames() returns the names that toAlternativeNames() got", () => {
  const names = { ips: ["10.0.0.1"], dnsNames: ["a.example", "b"] };
  const [extension] = toAlternativeNames(names);
  assert.deepEqual(fromAlternativeNames(extension), names);
  assert.deepEqual(toAlternativeNames({ ips: [], dnsNames: [] }), []);
  assert.deepEqual(fromAlternativeNames(undefined), { ips: [], dnsNames: [] });
});
