// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SILENT_LOGGER, SYSTEM_CLOCK } from "../../lib/base/mod.ts";
import { parseAgentConfig } from "../../lib/config/mod.ts";
import { createGrpcDialer } from "../../lib/connectivity/mod.ts";
import { secretText } from "../../lib/device/mod.ts";
import {
  CONFIG_MAP,
  EDGE_DEVICE,
  type EdgeDevice,
  SECRET,
} from "../../lib/kube/mod.ts";
import { toTlsSecret } from "../../lib/operator/certificates.ts";
import { createPageMeter } from "../../lib/operator/http.ts";
import { parseOperatorOptions } from "../../lib/operator/options.ts";
import { startTerm } from "../../lib/operator/term.ts";
import { createAuthority, issueServerCertificate } from "../../lib/pki/mod.ts";
import { secureAsAgent } from "../../lib/secure/mod.ts";
import { MemoryApi } from "../device/memory_api.ts";
import { until } from "../device/stage.ts";

const namespace = "home";
const AGENT_SECRET = { namespace, name: "edge-1-agent" };

/** A cluster that has signed the host's certificate before. */
async function makeApi(): Promise<MemoryApi> {
  const api = new MemoryApi();
  const authority = await createAuthority({ name: "cluster" });
  api.put(CONFIG_MAP, {
    metadata: {
      namespace: "kube-system",
      name: "extension-apiserver-authentication",
    },
    data: { "client-ca-file": authority.cert },
  });
  const pair = await issueServerCertificate({
    authority,
    commonName: "system:node:aranya-127-0-0-1",
    ips: ["127.0.0.1"],
    dnsNames: [],
  });
  api.put(
    SECRET,
    toTlsSecret(pair, { namespace, name: "aranya-host-127-0-0-1-tls" }),
  );
  return api;
}

function start(api: MemoryApi, flags: string[] = []) {
  return startTerm({
    client: api,
    options: parseOperatorOptions([
      ...["--grpc-port=0", "--kubelet-ports=0"],
      ...flags,
    ], {}),
    namespace,
    hostAddresses: ["127.0.0.1"],
    operatorVersion: "0.1.0",
    log: SILENT_LOGGER,
    meter: createPageMeter(),
    clock: SYSTEM_CLOCK,
    signal: AbortSignal.timeout(20_000),
  });
}

async function agentYaml(api: MemoryApi) {
  await until(
    () => api.names(SECRET).includes("home/edge-1-agent"),
    "the agent's Secret",
  );
  const text = secretText(await api.get(SECRET, AGENT_SECRET), "agent.yaml");
  return parseAgentConfig(text ?? "", { file: "agent.yaml" });
}

function edge(spec: EdgeDevice["spec"] = {}): EdgeDevice {
  return { metadata: { namespace, name: "edge-1" }, spec };
}

Deno.test("startTerm() lets an agent in with nothing but its agent.yaml, also with the next leader", async () => {
  const api = await makeApi();
  api.put(EDGE_DEVICE, edge());
  let port = 0;
  for (const flags of [[], [`--grpc-port=${port}`]]) {
    await using term = await start(api, flags);
    port = term.grpcPort;
    // The next leader has another port: agent.yaml follows.
    await until(() => term.devices.find("edge-1")?.keys !== undefined, "keys");
    await until(() => !term.devices.busy, "all is written");
    const config = await agentYaml(api);
    assert.deepEqual(config.endpoints, [`127.0.0.1:${port}`]);
    const dialer = createGrpcDialer({
      endpoint: config.endpoints[0] ?? "",
      ca: config.ca ?? "",
      log: SILENT_LOGGER,
    });
    const link = await dialer.dial({ signal: AbortSignal.timeout(5000) });
    const sealed = await secureAsAgent(link, {
      device: config.device,
      key: config.credential,
    });
    sealed.close("enough");
    await sealed.closed;
  }
});

Deno.test("startTerm() has a certificate for the name that a device dials, also one that is given later", async () => {
  const api = await makeApi();
  await using term = await start(api);
  api.put(
    EDGE_DEVICE,
    edge({
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
      // Its certificate is made as soon as the EdgeDevice is seen.
      assert.equal(error.code, "unauthorized");
      return undefined;
    });
    link?.close("enough");
    if (await link?.closed) break;
  }
});

Deno.test("startTerm() ends when it is told to while the API server does not answer", async () => {
  const api = new MemoryApi();
  const stop = new AbortController();
  const starting = startTerm({
    client: api,
    options: parseOperatorOptions(["--grpc-port=0"], {}),
    namespace,
    hostAddresses: ["127.0.0.1"],
    operatorVersion: "0.1.0",
    log: SILENT_LOGGER,
    meter: createPageMeter(),
    clock: SYSTEM_CLOCK,
    signal: stop.signal,
  });
  setTimeout(() => stop.abort(new TypeError("enough")), 50);
  await assert.rejects(starting, /enough/);
});
