// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { connect } from "node:tls";
import { NO_METER, SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import {
  type KubeClient,
  requestToken,
} from "../../../lib/operator/kube/mod.ts";
import type { KubeletHandlers } from "../../../lib/operator/kubelet/mod.ts";
import {
  createKubelets,
  createReviews,
} from "../../../lib/operator/fleet/kubelets.ts";
import {
  createAuthority,
  issueServerCertificate,
} from "../../../lib/operator/pki/mod.ts";
import { CountingApi } from "../_support/counting_api.ts";

const handlers = {} as KubeletHandlers;
const authority = await createAuthority({ name: "test" });
const tls = await issueServerCertificate({
  authority,
  commonName: "system:node:test",
  ips: ["127.0.0.1"],
  dnsNames: [],
});

function given(range: { first: number; last: number }) {
  return createKubelets({
    range,
    auth: createReviews({} as KubeClient),
    clientCa: authority.cert,
    tls,
    certificates: () => ({
      host: Promise.resolve(tls),
      certify() {},
      forget() {},
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
    log: SILENT_LOGGER,
    meter: NO_METER,
  });
}

/** Three ports in a row that are free now. */
/** Three neighbouring ports that nobody listens on, below those that the system gives to outgoing connections. */
async function freeRange(): Promise<{ first: number; last: number }> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const first = 10_000 + Math.floor(Math.random() * 9_000);
    const ports = [first, first + 1, first + 2];
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) {
      return { first, last: first + 2 };
    }
  }
  throw new Error("Cannot find three neighbouring ports: none are free");
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  server.on("error", () => resolve(false));
  server.listen(port, () => server.close(() => resolve(true)));
  return await promise;
}

Deno.test("createReviews() asks the API server who it is and what they may", async () => {
  await using api = await CountingApi.open();
  const { namespace } = api;
  const { token } = await requestToken(api, {
    namespace,
    serviceAccount: "default",
    spec: { expirationSeconds: 600 },
  });
  const auth = createReviews(api);
  const user = await auth.authenticateToken(token);
  assert.equal(user?.name, `system:serviceaccount:${namespace}:default`);
  assert.equal(await auth.authenticateToken("nonsense"), undefined);
  const question = { verb: "get", subresource: "proxy", node: "edge-1" };
  assert.equal(await auth.authorize({ ...question, user }), false);
  const root = { name: "root", groups: ["system:masters"] };
  assert.equal(await auth.authorize({ ...question, user: root }), true);
});

Deno.test("open() gives each device a port of the range, and its former one back", async () => {
  const range = await freeRange();
  const kubelets = given(range);
  await using first = await kubelets.open("a", {
    wantedPort: undefined,
    handlers,
  });
  await using second = await kubelets.open("b", {
    wantedPort: undefined,
    handlers,
  });
  assert.deepEqual([first.port, second.port], [range.first, range.first + 1]);
  await first.close();
  kubelets.forget("a");
  await using again = await kubelets.open("a", {
    wantedPort: range.first,
    handlers,
  });
  assert.equal(again.port, range.first);
});

Deno.test("open() takes the next port when one is taken by somebody else, and says when none is left", async () => {
  const range = await freeRange();
  const stranger = createServer();
  await new Promise<void>((resolve) => stranger.listen(range.first, resolve));
  try {
    const kubelets = given({ first: range.first, last: range.first + 1 });
    await using server = await kubelets.open("a", {
      wantedPort: range.first,
      handlers,
    });
    assert.equal(server.port, range.first + 1);
    await assert.rejects(
      kubelets.open("b", { wantedPort: undefined, handlers }),
      { code: "conflict", message: /no kubelet port from/ },
    );
  } finally {
    await new Promise((resolve) => stranger.close(resolve));
  }
});

Deno.test("open() takes any free port when the range is 0", async () => {
  const kubelets = given({ first: 0, last: 0 });
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

/** Name in the certificate that a port shows. */
async function nameAt(port: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect(
    { host: "127.0.0.1", port, rejectUnauthorized: false },
    resolve,
  );
  socket.on("error", reject);
  await promise;
  const { CN } = socket.getPeerCertificate().subject;
  const closed = new Promise((done) => socket.once("close", done));
  socket.destroy();
  await closed;
  return String(CN);
}

Deno.test("setClientCa() leaves each server its own certificate, and what can't be read is not taken", async () => {
  const issue = (commonName: string) =>
    issueServerCertificate({ authority, commonName, ips: [], dnsNames: [] });
  const kubelets = given({ first: 0, last: 0 });
  const ask = { wantedPort: undefined, handlers };
  await using first = await kubelets.open("a", ask);
  await using second = await kubelets.open("b", ask);
  first.setTls(await issue("own"));
  kubelets.setHostTls(await issue("host"));
  kubelets.setClientCa((await createAuthority({ name: "other" })).cert);
  assert.throws(() => kubelets.setClientCa("nonsense"), { code: "invalid" });
  assert.deepEqual([await nameAt(first.port), await nameAt(second.port)], [
    "own",
    "host",
  ]);
});
