// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import {
  toCertificates,
  verifyServer,
} from "../../../lib/shared/link/server_certificate.ts";
import {
  createAuthority,
  issueServerCertificate,
} from "../../../lib/operator/pki/mod.ts";

const DAY_MS = 86_400_000;

/** Creates a connection whose server has this certificate, which TLS itself has rejected. */
function createSocket(cert: string): TLSSocket {
  const { raw, subjectAltName } = new X509Certificate(cert);
  return {
    authorized: false,
    authorizationError: "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    getPeerCertificate: () => ({
      raw,
      subject: {},
      subjectaltname: subjectAltName,
    }),
  } as unknown as TLSSocket;
}

async function setUp() {
  const authority = await createAuthority({ name: "ca" });
  const { cert } = await issueServerCertificate({
    authority,
    commonName: "operator",
    ips: [],
    dnsNames: ["edge.example"],
  });
  return {
    cert,
    options: {
      action: "Cannot connect to edge.example:443",
      serverName: "edge.example",
      ca: authority.cert,
      nowMs: Date.now(),
    },
  };
}

Deno.test("verifyServer() accepts a certificate of the CA that is not valid yet", async () => {
  const { cert, options } = await setUp();
  const verified = verifyServer(createSocket(cert), { ...options, nowMs: 0 });
  assert.deepEqual(verified, { notYetValid: true });
});

Deno.test("verifyServer() rejects expired certificates, other CAs and names, and other errors of TLS", async () => {
  const { cert, options } = await setUp();
  const other = await createAuthority({ name: "other" });
  const socket = createSocket(cert);
  assert.throws(
    () =>
      verifyServer(socket, { ...options, nowMs: Date.now() + 5000 * DAY_MS }),
    { code: "unauthorized", message: /"CN=operator" expired at / },
  );
  assert.throws(
    () => verifyServer(socket, { ...options, ca: other.cert, nowMs: 0 }),
    {
      code: "unauthorized",
      message:
        /is signed by "CN=ca", which is not a CA that this device trusts/,
    },
  );
  assert.throws(() => verifyServer(socket, options), {
    code: "unauthorized",
    message: /can't be used: UNABLE_TO_VERIFY_LEAF_SIGNATURE/,
  });
  assert.throws(
    () => verifyServer(socket, { ...options, serverName: "x", nowMs: 0 }),
    { code: "unauthorized", message: /is for DNS:edge\.example, expected x/ },
  );
});

Deno.test("verifyServer() rejects a certificate that another CA of the same name has signed", async () => {
  const { cert, options } = await setUp();
  const forged = await createAuthority({ name: "ca" });
  const names = {
    commonName: "operator",
    ips: [],
    dnsNames: ["edge.example"],
  };
  // Whoever is on the path of a device without a clock can make a CA of any name, and certificates
  // that name any issuer and any key of it.
  const forgeries = await Promise.all([
    issueServerCertificate({ ...names, authority: forged }),
    issueServerCertificate({
      ...names,
      authority: { cert: options.ca, key: forged.key },
    }),
  ]);
  const trusted = new X509Certificate(options.ca);
  const [other, same] = forgeries.map(({ cert }) => new X509Certificate(cert));
  assert.deepEqual(
    [other, same].map((certificate) => certificate?.issuer),
    [trusted.subject, trusted.subject],
  );
  assert.equal(same?.checkIssued(trusted), true);
  for (const { cert } of forgeries) {
    assert.throws(
      () => verifyServer(createSocket(cert), { ...options, nowMs: 0 }),
      {
        code: "unauthorized",
        message:
          /is signed by "CN=ca", which is not a CA that this device trusts/,
      },
    );
  }
  // Control: that of the trusted CA is accepted at the same time.
  assert.deepEqual(
    verifyServer(createSocket(cert), { ...options, nowMs: 0 }),
    { notYetValid: true },
  );
});

Deno.test("verifyServer() rejects a CA that is no CA certificate", async () => {
  const { cert, options } = await setUp();
  assert.throws(
    () => verifyServer(createSocket(cert), { ...options, ca: cert, nowMs: 0 }),
    { code: "unauthorized" },
  );
});

Deno.test("toCertificates() parses several certificates, and returns the well-known CAs without a text", async () => {
  const one = await createAuthority({ name: "one" });
  const two = await createAuthority({ name: "two" });
  assert.deepEqual(
    toCertificates(`${one.cert}\n# comment\n${two.cert}`)
      .map(({ subject }) => subject),
    ["CN=one", "CN=two"],
  );
  assert.ok(toCertificates(undefined).length > 50);
});
