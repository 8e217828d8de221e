// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SILENT_LOGGER, SYSTEM_CLOCK } from "../../../lib/shared/base/mod.ts";
import {
  followClientCa,
  readClientCa,
} from "../../../lib/operator/fleet/client_ca.ts";
import type { KubeClient } from "../../../lib/operator/kube/mod.ts";
import { CountingApi } from "../_support/counting_api.ts";
import { until } from "../../../dev/base/wait.ts";

const { signal } = new AbortController();

/** A client of an API server that publishes these bundles, one for each read. */
function createClient(bundles: (string | undefined)[]): KubeClient {
  return {
    get: () => Promise.resolve({ data: { "client-ca-file": bundles.shift() } }),
  } as unknown as KubeClient;
}

Deno.test("readClientCa() returns the bundle that a real API server publishes", async () => {
  await using api = await CountingApi.open();
  assert.match(await readClientCa(api, signal), /^-----BEGIN CERTIFICATE-----/);
});

Deno.test("readClientCa() rejects when the API server has no client CA", async () => {
  await assert.rejects(readClientCa(createClient([]), signal), {
    code: "unavailable",
    message: /kube-system\/extension-apiserver-authentication/,
  });
});

Deno.test("followClientCa() passes on each bundle and continues after a failure", async () => {
  const stop = new AbortController();
  const seen: string[] = [];
  const following = followClientCa(createClient(["first", undefined, "last"]), {
    clock: SYSTEM_CLOCK,
    log: SILENT_LOGGER,
    signal: stop.signal,
    onRead: (bundle) => void seen.push(bundle),
    intervalMs: 1,
  });
  await until(() => seen.length === 2, "two bundles");
  stop.abort(new TypeError("enough"));
  await assert.rejects(following, /enough/);
  assert.deepEqual(seen, ["first", "last"]);
});
