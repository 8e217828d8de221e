// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SILENT_LOGGER, SYSTEM_CLOCK } from "../../lib/shared/base/mod.ts";
import type { GrpcServerTls } from "../../lib/shared/link/mod.ts";
import { GrpcTls } from "../../lib/operator/grpc_tls.ts";
import {
  createAuthority,
  inspectCertificate,
} from "../../lib/operator/pki/mod.ts";
import { until } from "../../dev/base/wait.ts";

const authority = await createAuthority({ name: "test" });

function createGrpcTls(signal = new AbortController().signal) {
  return new GrpcTls({
    authority,
    hostAddresses: ["10.0.0.7"],
    clock: SYSTEM_CLOCK,
    log: SILENT_LOGGER,
    signal,
  });
}

Deno.test("issue() covers this host, loopback and each endpoint's host once", async () => {
  const { cert } = await createGrpcTls().issue([
    "edge.example.org:443",
    "edge.example.org:9443",
    "[fd00::5]:9443",
  ]);
  const { ips, dnsNames } = await inspectCertificate(cert);
  assert.deepEqual([...ips].sort(), ["10.0.0.7", "127.0.0.1", "fd00::5"]);
  assert.deepEqual([...dnsNames].sort(), ["edge.example.org", "localhost"]);
});

Deno.test("scheduleUpdate() replaces the certificate once for a burst of calls", async () => {
  const grpcTls = createGrpcTls();
  await grpcTls.issue([]);
  const applied: GrpcServerTls[] = [];
  const listener = { setTls: (tls: GrpcServerTls) => void applied.push(tls) };
  const endpoints = ["edge.example.org:443"];
  for (let call = 0; call < 3; call++) {
    grpcTls.scheduleUpdate(listener, () => endpoints);
  }
  await until(() => applied.length > 0, "a certificate");
  const { dnsNames } = await inspectCertificate(applied[0]?.cert ?? "");
  assert.ok(dnsNames.includes("edge.example.org"));
  // The second update follows the first: it finds every host covered.
  const { promise: checked, resolve } = Promise.withResolvers<void>();
  grpcTls.scheduleUpdate(listener, () => (resolve(), endpoints));
  await checked;
  assert.equal(applied.length, 1);
});

Deno.test("scheduleUpdate() does nothing once its signal is aborted", async () => {
  const stop = new AbortController();
  const grpcTls = createGrpcTls(stop.signal);
  let reads = 0;
  grpcTls.scheduleUpdate({ setTls() {} }, () => (reads++, []));
  stop.abort();
  await new Promise((resolve) => setTimeout(resolve));
  assert.equal(reads, 0);
});
