// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import {
  createAuthority,
  hashPublicKeyOf,
  inspectCertificate,
  issueServerCertificate,
} from "../../../lib/operator/pki/mod.ts";

const NOW_MS = Date.UTC(2026, 0, 10);
const DAY_MS = 86_400_000;

Deno.test("createAuthority() creates a CA for ten years, backdated by two days", async () => {
  const authority = await createAuthority({ name: "a, b", nowMs: NOW_MS });
  const facts = await inspectCertificate(authority.cert);
  assert.equal(facts.commonName, "a, b");
  assert.equal(facts.isAuthority, true);
  assert.equal(facts.notBeforeMs, NOW_MS - 2 * DAY_MS);
  assert.equal(facts.notAfterMs, NOW_MS + 3650 * DAY_MS);
  assert.equal(facts.publicKeyHash, await hashPublicKeyOf(authority.key));
  assert.match(authority.key, /^-----BEGIN PRIVATE KEY-----\n/);
});

Deno.test("issueServerCertificate() backdates a leaf by two days: devices' clocks may be behind", async () => {
  const authority = await createAuthority({ name: "ca", nowMs: NOW_MS });
  const { cert } = await issueServerCertificate({
    authority,
    commonName: "operator",
    ips: [],
    dnsNames: ["edge.example"],
    nowMs: NOW_MS,
  });
  const { notBeforeMs, notAfterMs } = await inspectCertificate(cert);
  assert.equal(notBeforeMs, NOW_MS - 2 * DAY_MS);
  assert.equal(notAfterMs, NOW_MS + 365 * DAY_MS);
});

Deno.test("issueServerCertificate() issues a leaf with the names, signed by the CA", async () => {
  const authority = await createAuthority({ name: "ca" });
  const pair = await issueServerCertificate({
    authority,
    commonName: "operator",
    ips: ["10.0.0.1", "fd00::1"],
    dnsNames: ["edge.example"],
  });
  const leaf = new X509Certificate(pair.cert);
  assert.ok(leaf.verify(new X509Certificate(authority.cert).publicKey));
  assert.equal(leaf.checkHost("edge.example"), "edge.example");
  assert.ok(leaf.checkIP("10.0.0.1") && leaf.checkIP("fd00::1"));
  assert.equal(leaf.checkIP("10.0.0.2"), undefined);
  assert.equal(leaf.ca, false);
  const facts = await inspectCertificate(pair.cert);
  assert.deepEqual(facts.dnsNames, ["edge.example"]);
  assert.equal(facts.ips.length, 2);
  assert.equal(facts.publicKeyHash, await hashPublicKeyOf(pair.key));
});

Deno.test("issueServerCertificate() rejects when the CA has expired, and never outlives it", async () => {
  const authority = await createAuthority({
    name: "ca",
    days: 10,
    nowMs: NOW_MS,
  });
  const options = { authority, commonName: "s", ips: [], dnsNames: ["s"] };
  const pair = await issueServerCertificate({ ...options, nowMs: NOW_MS });
  const facts = await inspectCertificate(pair.cert);
  assert.equal(facts.notAfterMs, NOW_MS + 10 * DAY_MS);
  await assert.rejects(
    issueServerCertificate({ ...options, nowMs: NOW_MS + 11 * DAY_MS }),
    { code: "invalid", message: /: the CA expired at 2026-01-20T/ },
  );
});

Deno.test("issueServerCertificate() rejects when an IP address or the CA is invalid", async () => {
  const authority = await createAuthority({ name: "ca" });
  const options = { commonName: "s", ips: ["edge"], dnsNames: [] };
  await assert.rejects(issueServerCertificate({ ...options, authority }), {
    code: "invalid",
    message: 'Cannot create certificate for "edge": not an IP address',
  });
  for (const broken of [{ cert: "x", key: "y" }, { ...authority, key: "y" }]) {
    await assert.rejects(
      issueServerCertificate({ ...options, ips: [], authority: broken }),
      { code: "invalid" },
    );
  }
});
