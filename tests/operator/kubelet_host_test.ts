// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  type Clock,
  NO_METER,
  Scope,
  SILENT_LOGGER,
  SYSTEM_CLOCK,
} from "../../lib/shared/base/mod.ts";
import { startKubeletHost } from "../../lib/operator/kubelet_host.ts";
import type { KubeletHandlers } from "../../lib/operator/kubelet/mod.ts";
import {
  type KubeObject,
  type ObjectRef,
  type ObjectType,
  SECRET,
} from "../../lib/operator/kube/mod.ts";
import {
  createAuthority,
  issueServerCertificate,
  type KeyPair,
} from "../../lib/operator/pki/mod.ts";
import { toTlsSecret } from "../../lib/operator/fleet/tls_secret.ts";
import { DeviceFixture } from "./_support/device_fixture.ts";
import { until } from "../../dev/base/wait.ts";
import { servedNameAt } from "./_support/tls.ts";

const authority = await createAuthority({ name: "aranya home" });

/** Skips the wait for the host's certificate. */
const IMPATIENT_CLOCK: Clock = {
  ...SYSTEM_CLOCK,
  sleep: (ms, options) => SYSTEM_CLOCK.sleep(ms === 5000 ? 0 : ms, options),
};

/** Waits for the host's certificate also on a busy machine. */
const PATIENT_CLOCK: Clock = {
  ...SYSTEM_CLOCK,
  sleep: (ms, options) =>
    SYSTEM_CLOCK.sleep(ms === 5000 ? 60_000 : ms, options),
};

function start(
  fixture: DeviceFixture,
  options: {
    scope: Scope;
    clock: Clock;
    signal: AbortSignal;
    authority?: KeyPair;
  },
) {
  return startKubeletHost({
    client: fixture.api,
    reviewClient: fixture.api,
    namespace: fixture.ref.namespace,
    stores: fixture.stores,
    hostAddresses: ["127.0.0.1"],
    ports: { first: 0, last: 0 },
    authority,
    clientCa: authority.cert,
    isBusy: () => false,
    onProblemsChanged() {},
    log: SILENT_LOGGER,
    meter: NO_METER,
    ...options,
  });
}

/** Stores the certificate of the host, as if the cluster's signer had signed it earlier. */
async function storeHostCertificate(fixture: DeviceFixture): Promise<void> {
  const pair = await issueServerCertificate({
    authority,
    commonName: "system:node:aranya-127-0-0-1",
    ips: ["127.0.0.1"],
    dnsNames: [],
  });
  await fixture.api.putObject(
    SECRET,
    toTlsSecret(pair, {
      namespace: fixture.ref.namespace,
      name: "aranya-host-127-0-0-1-tls",
    }),
  );
}

const OPTIONS = { wantedPort: undefined, handlers: {} as KubeletHandlers };

Deno.test("startKubeletHost() serves with the host's signed certificate", async () => {
  await using fixture = await DeviceFixture.start();
  await storeHostCertificate(fixture);
  await using scope = new Scope();
  const { signal } = new AbortController();
  const clock = PATIENT_CLOCK;
  const kubelets = await start(fixture, { scope, clock, signal });
  await using server = await kubelets.open("edge-1", OPTIONS);
  assert.equal(await servedNameAt(server.port), "system:node:aranya-127-0-0-1");
});

Deno.test("startKubeletHost() serves with a certificate of the own CA when none is signed in time", async () => {
  await using fixture = await DeviceFixture.start();
  await using scope = new Scope();
  const { signal } = new AbortController();
  // No controller signs certificates in this cluster.
  const clock = IMPATIENT_CLOCK;
  const kubelets = await start(fixture, { scope, clock, signal });
  await using server = await kubelets.open("edge-1", OPTIONS);
  assert.equal(await servedNameAt(server.port), "system:node:aranya");
});

Deno.test("startKubeletHost() serves with the signed certificate when that comes while the interim one is issued", async () => {
  await using fixture = await DeviceFixture.start();
  await storeHostCertificate(fixture);
  await using scope = new Scope();
  const { signal } = new AbortController();
  // The Secret is read while the interim certificate is issued.
  const isRead = Promise.withResolvers<void>();
  const isIssuing = Promise.withResolvers<void>();
  const { api } = fixture;
  const find = api.find.bind(api);
  api.find = async <T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
  ) => {
    const found = await find(type, ref);
    isRead.resolve();
    await isIssuing.promise;
    return found;
  };
  const clock: Clock = {
    ...SYSTEM_CLOCK,
    sleep: (ms, options) =>
      ms === 5000 ? isRead.promise : SYSTEM_CLOCK.sleep(ms, options),
  };
  const kubelets = await start(fixture, {
    scope,
    clock,
    signal,
    authority: {
      cert: authority.cert,
      get key() {
        isIssuing.resolve();
        return authority.key;
      },
    },
  });
  await using server = await kubelets.open("edge-1", OPTIONS);
  await until(
    async () =>
      await servedNameAt(server.port) === "system:node:aranya-127-0-0-1",
    { what: "the signed certificate", timeoutMs: 30_000 },
  );
});

Deno.test("startKubeletHost() rejects when it is aborted while it waits", async () => {
  await using fixture = await DeviceFixture.start();
  await using scope = new Scope();
  const stop = new AbortController();
  const starting = start(fixture, {
    scope,
    clock: SYSTEM_CLOCK,
    signal: stop.signal,
  });
  stop.abort(new TypeError("enough"));
  await assert.rejects(starting, /enough/);
});
