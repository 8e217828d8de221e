// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  AUTHORITY_SECRET,
  ensureAuthority,
} from "../../../lib/operator/fleet/authority.ts";
import { SECRET } from "../../../lib/operator/kube/mod.ts";
import { inspectCertificate } from "../../../lib/operator/pki/mod.ts";
import { CountingApi } from "../_support/counting_api.ts";

const { signal } = new AbortController();

Deno.test("ensureAuthority() creates one CA when two operators start at the same time", async () => {
  await using api = await CountingApi.open();
  const { namespace } = api;
  const [first, second] = await Promise.all([
    ensureAuthority(api, { namespace, signal }),
    ensureAuthority(api, { namespace, signal }),
  ]);
  assert.deepEqual(first, second);
  assert.deepEqual(await ensureAuthority(api, { namespace, signal }), first);
  assert.equal((await inspectCertificate(first.cert)).isAuthority, true);
});

Deno.test("ensureAuthority() rejects a Secret without a CA and leaves it as it is", async () => {
  await using api = await CountingApi.open();
  const { namespace } = api;
  await api.putObject(SECRET, {
    metadata: { namespace, name: AUTHORITY_SECRET },
  });
  await assert.rejects(ensureAuthority(api, { namespace, signal }), {
    code: "invalid",
    message: /holds no CA/,
  });
  assert.deepEqual(api.takeWriteCounts(), {});
});
