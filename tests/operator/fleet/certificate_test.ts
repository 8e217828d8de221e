// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  momentOf,
  readCertificate,
} from "../../../lib/operator/fleet/certificate.ts";
import { toTlsSecret } from "../../../lib/operator/fleet/tls_secret.ts";
import {
  createAuthority,
  issueServerCertificate,
} from "../../../lib/operator/pki/mod.ts";

const DAY_MS = 86_400_000;
const NAMES = { commonName: "node", ips: ["10.0.0.7"], dnsNames: ["host"] };
const REF = { namespace: "home", name: "host" };
const authority = await createAuthority({ name: "cluster" });
const pair = await issueServerCertificate({ authority, ...NAMES, days: 100 });

Deno.test("readCertificate() returns certificate, key and validity of a Secret", async () => {
  const found = await readCertificate(toTlsSecret(pair, REF), NAMES);
  assert.deepEqual(found?.tls, pair);
  const { notAfterMs = 0 } = found?.validity ?? {};
  assert.ok(Math.abs(notAfterMs - Date.now() - 100 * DAY_MS) < 60_000);
});

Deno.test("readCertificate() returns undefined for other names, another key, other data and no Secret", async () => {
  const other = await issueServerCertificate({ authority, ...NAMES });
  const secrets = [
    { secret: undefined, names: NAMES },
    {
      secret: toTlsSecret({ ...pair, key: other.key }, REF),
      names: NAMES,
    },
    { secret: toTlsSecret({ cert: "x", key: "y" }, REF), names: NAMES },
    {
      secret: toTlsSecret(pair, REF),
      names: { ...NAMES, commonName: "other" },
    },
    {
      secret: toTlsSecret(pair, REF),
      names: { ...NAMES, ips: ["10.0.0.8"] },
    },
    {
      secret: toTlsSecret(pair, REF),
      names: { ...NAMES, dnsNames: ["other"] },
    },
  ];
  for (const { secret, names } of secrets) {
    assert.equal(await readCertificate(secret, names), undefined);
  }
});

Deno.test("momentOf() is a time within the lifetime", () => {
  assert.equal(momentOf({ notBeforeMs: 1000, notAfterMs: 2000 }, 0.8), 1800);
});
