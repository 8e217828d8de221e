// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  NO_METER,
  SILENT_LOGGER,
  SYSTEM_CLOCK,
} from "../../lib/shared/base/mod.ts";
import { parseAgentConfig } from "../../lib/shared/config/mod.ts";
import { createGrpcDialer } from "../../lib/shared/link/mod.ts";
import { secretText } from "../../lib/operator/device/mod.ts";
import {
  EDGE_DEVICE,
  type EdgeDevice,
  type EdgeDeviceSpec,
  SECRET,
} from "../../lib/operator/kube/mod.ts";
import { toTlsSecret } from "../../lib/operator/fleet/tls_secret.ts";
import { parseOperatorOptions } from "../../lib/operator/options.ts";
import { startTerm } from "../../lib/operator/term.ts";
import {
  createAuthority,
  issueServerCertificate,
} from "../../lib/operator/pki/mod.ts";
import { initiateHandshake } from "../../lib/shared/noise/mod.ts";
import { CountingApi } from "./_support/counting_api.ts";
import { until } from "../../dev/base/wait.ts";
import { createScriptedClient } from "./kube/_support/scripted_client.ts";
import { ScriptedServer } from "./kube/_support/scripted_server.ts";

/** A cluster that has signed the host's certificate before. */
async function openCluster(): Promise<CountingApi> {
  const api = await CountingApi.open();
  const { namespace } = api;
  const authority = await createAuthority({ name: "cluster" });
  const pair = await issueServerCertificate({
    authority,
    commonName: "system:node:aranya-127-0-0-1",
    ips: ["127.0.0.1"],
    dnsNames: [],
  });
  await api.putObject(
    SECRET,
    toTlsSecret(pair, { namespace, name: "aranya-host-127-0-0-1-tls" }),
  );
  return api;
}

function start(api: CountingApi) {
  return startTerm({
    client: api,
    options: parseOperatorOptions(["--grpc-port=0", "--kubelet-ports=0"], {}),
    namespace: api.namespace,
    hostAddresses: ["127.0.0.1"],
    operatorVersion: "0.1.0",
    log: SILENT_LOGGER,
    meter: NO_METER,
    clock: SYSTEM_CLOCK,
    signal: AbortSignal.timeout(20_000),
  });
}

async function agentYaml(api: CountingApi) {
  const ref = { namespace: api.namespace, name: `${api.name}-agent` };
  await until(
    async () => await api.find(SECRET, ref) !== undefined,
    "the agent's Secret",
  );
  const text = secretText(await api.get(SECRET, ref), "agent.yaml");
  return parseAgentConfig(text ?? "", { file: "agent.yaml" });
}

function edge(api: CountingApi, spec: EdgeDeviceSpec = {}): EdgeDevice {
  const { namespace, name } = api;
  return { metadata: { namespace, name }, spec };
}

Deno.test("startTerm() accepts an agent with its agent.yaml alone, in the next term too", async () => {
  await using api = await openCluster();
  await api.putObject(EDGE_DEVICE, edge(api));
  for (let turn = 0; turn < 2; turn++) {
    await using term = await start(api);
    const port = term.grpcPort;
    // Each term listens on another port, which agent.yaml follows.
    await until(() => term.devices.find(api.name)?.keys !== undefined, "keys");
    const endpoint = `127.0.0.1:${port}`;
    await until(
      async () => (await agentYaml(api)).endpoints[0] === endpoint,
      "agent.yaml with the port",
    );
    const config = await agentYaml(api);
    const dialer = createGrpcDialer({
      endpoint,
      ca: config.ca ?? "",
      log: SILENT_LOGGER,
    });
    const link = await dialer.dial({ signal: AbortSignal.timeout(5000) });
    const sealed = await initiateHandshake(link, {
      device: config.device,
      key: config.credential,
    });
    sealed.close("enough");
    await sealed.closed;
  }
});

Deno.test("startTerm() has a certificate for the name that a device dials, also for an EdgeDevice created later", async () => {
  await using api = await openCluster();
  await using term = await start(api);
  await api.putObject(
    EDGE_DEVICE,
    edge(api, {
      connectivity: { grpcConfig: { endpoint: "edge.example.org:443" } },
    }),
  );
  const { ca, credential } = await agentYaml(api);
  assert.equal(credential.length, 32);
  const dialer = createGrpcDialer({
    endpoint: `127.0.0.1:${term.grpcPort}`,
    serverName: "edge.example.org",
    ca: ca ?? "",
    log: SILENT_LOGGER,
  });
  const signal = AbortSignal.timeout(10_000);
  for (;;) {
    const link = await dialer.dial({ signal }).catch((error) => {
      // The certificate is issued once the informer has the EdgeDevice.
      assert.equal(error.code, "unauthorized");
      return undefined;
    });
    link?.close("enough");
    if (await link?.closed) break;
  }
});

Deno.test("startTerm() rejects when it is aborted while the API server does not answer", async () => {
  await using server = await ScriptedServer.start();
  server.script = () => {};
  await using client = await createScriptedClient(server);
  const stop = new AbortController();
  const starting = startTerm({
    client,
    options: parseOperatorOptions(["--grpc-port=0"], {}),
    namespace: "home",
    hostAddresses: ["127.0.0.1"],
    operatorVersion: "0.1.0",
    log: SILENT_LOGGER,
    meter: NO_METER,
    clock: SYSTEM_CLOCK,
    signal: stop.signal,
  });
  await until(() => server.requests > 0, "a request");
  stop.abort(new TypeError("enough"));
  await assert.rejects(starting, /enough/);
});
