// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { request } from "node:https";
import { createServer } from "node:net";
import { NO_METER, SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import { createAccessReviews } from "../../../lib/operator/fleet/access_reviews.ts";
import { KubeletRegistry } from "../../../lib/operator/fleet/kubelet_registry.ts";
import type { KubeClient } from "../../../lib/operator/kube/mod.ts";
import type {
  KubeletHandlers,
  ServingTls,
} from "../../../lib/operator/kubelet/mod.ts";
import {
  createAuthority,
  issueServerCertificate,
} from "../../../lib/operator/pki/mod.ts";
import { findFreePorts } from "../_support/kubelets.ts";
import { servedNameAt } from "../_support/tls.ts";
import { until } from "../../../dev/base/wait.ts";
import { makeCertificates } from "../../../dev/world/kubelet_rig.ts";

const handlers = {} as KubeletHandlers;
const authority = await createAuthority({ name: "test" });
const tls = await issueServerCertificate({
  authority,
  commonName: "system:node:test",
  ips: ["127.0.0.1"],
  dnsNames: [],
});

function createRegistry(
  ports: { first: number; last: number },
  { clientCa = authority.cert }: { clientCa?: string } = {},
) {
  return new KubeletRegistry({
    ports,
    auth: createAccessReviews({} as KubeClient),
    clientCa,
    hostTls: tls,
    certificates: { request() {}, release() {}, problemsOf: () => [] },
    log: SILENT_LOGGER,
    meter: NO_METER,
  });
}

Deno.test("open() assigns each device a port of the range, and its former one when it is wanted", async () => {
  const ports = await findFreePorts();
  const kubelets = createRegistry(ports);
  await using first = await kubelets.open("a", {
    wantedPort: undefined,
    handlers,
  });
  await using second = await kubelets.open("b", {
    wantedPort: undefined,
    handlers,
  });
  assert.deepEqual([first.port, second.port], [ports.first, ports.first + 1]);
  await first.close();
  kubelets.release("a");
  await using again = await kubelets.open("a", {
    wantedPort: ports.first,
    handlers,
  });
  assert.equal(again.port, ports.first);
});

Deno.test("open() skips a port that another process listens on, and rejects when none is left", async () => {
  const ports = await findFreePorts();
  const otherProcess = createServer();
  await new Promise<void>((resolve) =>
    otherProcess.listen(ports.first, resolve)
  );
  try {
    const kubelets = createRegistry({
      first: ports.first,
      last: ports.first + 1,
    });
    await using server = await kubelets.open("a", {
      wantedPort: ports.first,
      handlers,
    });
    assert.equal(server.port, ports.first + 1);
    await assert.rejects(
      kubelets.open("b", { wantedPort: undefined, handlers }),
      { code: "conflict", message: /no kubelet port from/ },
    );
  } finally {
    await new Promise((resolve) => otherProcess.close(resolve));
  }
});

Deno.test("open() takes any free port when the range is 0", async () => {
  const kubelets = createRegistry({ first: 0, last: 0 });
  await using first = await kubelets.open("a", {
    wantedPort: undefined,
    handlers,
  });
  await using second = await kubelets.open("b", {
    wantedPort: undefined,
    handlers,
  });
  assert.notEqual(first.port, second.port);
});

Deno.test("open() listens on both address families", async () => {
  const kubelets = createRegistry({ first: 0, last: 0 });
  await using server = await kubelets.open("a", {
    wantedPort: undefined,
    handlers,
  });
  for (const host of ["127.0.0.1", "::1"]) {
    assert.equal(await servedNameAt(server.port, { host }), "system:node:test");
  }
});

Deno.test("setClientCa() keeps each server's certificate and refuses a bundle that can't be read", async () => {
  const issue = (commonName: string) =>
    issueServerCertificate({ authority, commonName, ips: [], dnsNames: [] });
  const kubelets = createRegistry({ first: 0, last: 0 });
  const options = { wantedPort: undefined, handlers };
  await using first = await kubelets.open("a", options);
  await using second = await kubelets.open("b", options);
  first.setTls(await issue("own"));
  kubelets.setHostTls(await issue("host"));
  kubelets.setClientCa((await createAuthority({ name: "other" })).cert);
  assert.throws(() => kubelets.setClientCa("nonsense"), { code: "invalid" });
  await until(async () => await servedNameAt(second.port) === "host");
  assert.equal(await servedNameAt(first.port), "own");
});

Deno.test("setHostTls() reaches every server, also one that is being opened", async () => {
  const kubelets = createRegistry({ first: 0, last: 0 });
  const options = { wantedPort: undefined, handlers };
  await using stack = new AsyncDisposableStack();
  const servers = [];
  for (let index = 0; index < 5; index++) {
    servers.push(stack.use(await kubelets.open(`dev-${index}`, options)));
  }
  const opening = kubelets.open("late", options);
  const host = await issueServerCertificate({
    authority,
    commonName: "host",
    ips: [],
    dnsNames: [],
  });
  kubelets.setHostTls(host);
  const last = stack.use(await opening);
  for (const server of [last, ...servers]) {
    await until(async () => await servedNameAt(server.port) === "host");
  }
});

/** Returns the HTTP status of a request with a client certificate. */
async function requestStatus(port: number, client: ServingTls) {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  request({
    host: "127.0.0.1",
    port,
    path: "/healthz",
    rejectUnauthorized: false,
    agent: false,
    ...client,
  }, (response) => {
    response.resume();
    response.on("end", () => resolve(response.statusCode ?? 0));
  }).on("error", reject).end();
  return await promise;
}

Deno.test("setClientCa() reaches every server, also one that is being opened", async () => {
  const { clientsCa, client, serversCa, untrusted } = await makeCertificates();
  const kubelets = createRegistry({ first: 0, last: 0 }, {
    clientCa: clientsCa,
  });
  const options = { wantedPort: undefined, handlers };
  await using first = await kubelets.open("a", options);
  // 500: the certificate is trusted, and no review of its rights can be made.
  assert.equal(await requestStatus(first.port, client), 500);
  assert.equal(await requestStatus(first.port, untrusted), 401);
  const opening = kubelets.open("late", options);
  kubelets.setClientCa(serversCa);
  await using last = await opening;
  for (const { port } of [last, first]) {
    await until(async () => await requestStatus(port, untrusted) === 500);
    assert.equal(await requestStatus(port, client), 401);
  }
});

Deno.test("release() drops the device's own certificate", async () => {
  const issue = (commonName: string) =>
    issueServerCertificate({ authority, commonName, ips: [], dnsNames: [] });
  const kubelets = createRegistry({ first: 0, last: 0 });
  const options = { wantedPort: undefined, handlers };
  await using former = await kubelets.open("a", options);
  former.setTls(await issue("own"));
  await former.close();
  kubelets.release("a");
  await using server = await kubelets.open("a", options);
  kubelets.setHostTls(await issue("host"));
  await until(async () =>
    await servedNameAt(server.port) !== "system:node:test"
  );
  assert.equal(await servedNameAt(server.port), "host");
});

Deno.test("reserve() keeps a port for its device until that is released", async () => {
  const ports = await findFreePorts();
  const kubelets = createRegistry(ports);
  kubelets.reserve("a", ports.first);
  kubelets.reserve("b", ports.first);
  await using other = await kubelets.open("b", {
    wantedPort: ports.first,
    handlers,
  });
  assert.equal(other.port, ports.first + 1);
  await using server = await kubelets.open("a", {
    wantedPort: ports.first,
    handlers,
  });
  assert.equal(server.port, ports.first);
  kubelets.reserve("c", ports.last);
  kubelets.release("c");
  await using third = await kubelets.open("d", {
    wantedPort: undefined,
    handlers,
  });
  assert.equal(third.port, ports.last);
});

Deno.test("setClientCa() refuses a bundle with one unreadable certificate, whatever servers there are", async () => {
  const { cert } = await createAuthority({ name: "other" });
  const broken =
    "-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n";
  const kubelets = createRegistry({ first: 0, last: 0 });
  for (const bundle of ["nonsense", "", broken, cert + broken]) {
    assert.throws(() => kubelets.setClientCa(bundle), { code: "invalid" });
  }
  const options = { wantedPort: undefined, handlers };
  // A server that is opened afterwards has the former bundle.
  await using server = await kubelets.open("a", options);
  for (const bundle of ["nonsense", "", broken, cert + broken]) {
    assert.throws(() => kubelets.setClientCa(bundle), { code: "invalid" });
  }
  assert.equal(await servedNameAt(server.port), "system:node:test");
  kubelets.setClientCa(authority.cert + cert);
});
