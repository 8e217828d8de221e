// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  isOperatorSecret,
  readTlsSecret,
  toTlsSecret,
  writeSecret,
} from "../../../lib/operator/fleet/tls_secret.ts";
import { SECRET } from "../../../lib/operator/kube/mod.ts";
import { CountingApi } from "../_support/counting_api.ts";

const { signal } = new AbortController();

Deno.test("readTlsSecret() returns the pair of toTlsSecret(), and undefined without a key", () => {
  const pair = { cert: "CERT\n", key: "KEY\n" };
  const secret = toTlsSecret(pair, { namespace: "home", name: "host" });
  assert.equal(secret.type, "kubernetes.io/tls");
  assert.deepEqual(readTlsSecret(secret), pair);
  const { "tls.key": _key, ...rest } = secret.data ?? {};
  assert.equal(readTlsSecret({ ...secret, data: rest }), undefined);
  assert.equal(readTlsSecret(undefined), undefined);
});

Deno.test("writeSecret() creates a Secret, and replaces the data of one that exists", async () => {
  await using api = await CountingApi.open();
  const ref = { namespace: api.namespace, name: "host" };
  for (const cert of ["first", "second"]) {
    const secret = toTlsSecret({ cert, key: "key" }, ref);
    assert.equal(await writeSecret(api, { secret, signal }), true);
  }
  assert.deepEqual(readTlsSecret(await api.get(SECRET, ref)), {
    cert: "second",
    key: "key",
  });
  assert.deepEqual(api.takeWriteCounts(), {
    "create secrets": 2,
    "patch secrets": 1,
  });
});

Deno.test("writeSecret() leaves a foreign Secret alone", async () => {
  await using api = await CountingApi.open();
  const ref = { namespace: api.namespace, name: "host" };
  const secret = toTlsSecret({ cert: "ours", key: "key" }, ref);
  const foreign = await api.putObject(SECRET, { ...secret, metadata: ref });
  assert.equal(isOperatorSecret(foreign), false);
  assert.equal(await writeSecret(api, { secret, signal }), false);
  assert.deepEqual(await api.get(SECRET, ref), foreign);
});
