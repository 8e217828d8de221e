// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import {
  judgeServer,
  toCertificates,
} from "../../../lib/shared/link/server_certificate.ts";
import {
  createAuthority,
  issueServerCertificate,
} from "../../../lib/operator/pki/mod.ts";

const DAY_MS = 86_400_000;

/** A connection whose server showed this certificate, and of which TLS itself thought nothing good. */
function showing(cert: string): TLSSocket {
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

Deno.test("judgeServer() takes a certificate of the future from our CA", async () => {
  const { cert, options } = await setUp();
  const judgement = judgeServer(showing(cert), { ...options, nowMs: 0 });
  assert.deepEqual(judgement, { notYetValid: true });
});

Deno.test("judgeServer() refuses the past, a stranger, and what TLS refuses for a reason of its own", async () => {
  const { cert, options } = await setUp();
  const other = await createAuthority({ name: "other" });
  const socket = showing(cert);
  assert.throws(
    () =>
      judgeServer(socket, { ...options, nowMs: Date.now() + 5000 * DAY_MS }),
    { code: "unauthorized", message: /"CN=operator" ended / },
  );
  assert.throws(
    () => judgeServer(socket, { ...options, ca: other.cert, nowMs: 0 }),
    { code: "unauthorized", message: /was not signed by the CA/ },
  );
  assert.throws(() => judgeServer(socket, options), {
    code: "unauthorized",
    message: /can't be used: UNABLE_TO_VERIFY_LEAF_SIGNATURE/,
  });
  assert.throws(
    () => judgeServer(socket, { ...options, serverName: "x", nowMs: 0 }),
    { code: "unauthorized", message: /is for DNS:edge\.example, expected x/ },
  );
});

Deno.test("judgeServer() does not take a server's certificate for a CA", async () => {
  const { cert, options } = await setUp();
  assert.throws(
    () => judgeServer(showing(cert), { ...options, ca: cert, nowMs: 0 }),
    { code: "unauthorized" },
  );
});

Deno.test("toCertificates() reads several, and the well-known ones without a text", async () => {
  const one = await createAuthority({ name: "one" });
  const two = await createAuthority({ name: "two" });
  assert.deepEqual(
    toCertificates(`${one.cert}\n# comment\n${two.cert}`).map((each) =>
      each.subject
    ),
    ["CN=one", "CN=two"],
  );
  assert.ok(toCertificates(undefined).length > 50);
});
