// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  AranyaError,
  NO_METER,
  Scope,
  SILENT_LOGGER,
  SYSTEM_CLOCK,
} from "../../lib/shared/base/mod.ts";
import { parseAgentConfig } from "../../lib/shared/config/mod.ts";
import { createGrpcDialer, type Link } from "../../lib/shared/link/mod.ts";
import { secretText } from "../../lib/operator/device/mod.ts";
import {
  EDGE_DEVICE,
  type EdgeDevice,
  type EdgeDeviceSpec,
  type KubeClient,
  SECRET,
} from "../../lib/operator/kube/mod.ts";
import { toTlsSecret } from "../../lib/operator/fleet/tls_secret.ts";
import { parseOperatorOptions } from "../../lib/operator/options.ts";
import { LinkFront } from "../../lib/operator/link_front.ts";
import { LinkGate } from "../../lib/operator/link_gate.ts";
import { startTerm, type Term } from "../../lib/operator/term.ts";
import { createSession, greetAsAgent } from "../../lib/shared/session/mod.ts";
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

/** A leadership that the test suspends. */
class TestLeadership {
  isSuspended = false;
  #listener: ((isSuspended: boolean) => void) | undefined;

  onSuspensionChange(listener: (isSuspended: boolean) => void): () => void {
    this.#listener = listener;
    return () => this.#listener = undefined;
  }

  set(isSuspended: boolean): void {
    this.isSuspended = isSuspended;
    this.#listener?.(isSuspended);
  }
}

/** An operator that leads, and agents that connect to it. */
class LeaderFixture implements AsyncDisposable {
  readonly leadership: TestLeadership;
  readonly term: Term;
  readonly #scope: Scope;

  private constructor(
    { term, scope, leadership }: {
      term: Term;
      scope: Scope;
      leadership: TestLeadership;
    },
  ) {
    this.term = term;
    this.#scope = scope;
    this.leadership = leadership;
  }

  static async start(
    api: CountingApi,
    { hasOthers = false }: { hasOthers?: boolean } = {},
  ): Promise<LeaderFixture> {
    const scope = new Scope();
    const leadership = new TestLeadership();
    const gate = new LinkGate({
      finder: { findEndpoint: () => undefined },
      clock: SYSTEM_CLOCK,
    });
    const { namespace } = api;
    const hostAddresses = ["127.0.0.1"];
    const front = scope.use(
      new LinkFront({
        client: api,
        namespace,
        hostAddresses,
        grpcPort: 0,
        directory: gate,
        log: SILENT_LOGGER,
        meter: NO_METER,
        clock: SYSTEM_CLOCK,
      }),
    );
    const signal = AbortSignal.timeout(120_000);
    const port = await front.waitForPort(signal);
    const term = scope.use(
      await startTerm({
        ...termOptions({ client: api, namespace, signal }),
        leadership,
        front,
        replicas: {
          endpoints: [`127.0.0.1:${port}`],
          isComplete: true,
          hasOthers,
          onChange: () => () => {},
        },
      }),
    );
    scope.use(gate.open({ devices: term.devices, leadership }));
    return new LeaderFixture({ term, scope, leadership });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.close();
  }
}

function termOptions(
  { client, namespace, signal }: {
    client: KubeClient;
    namespace: string;
    signal: AbortSignal;
  },
) {
  return {
    client,
    reviewClient: client,
    options: parseOperatorOptions(["--kubelet-ports=0"], {}),
    namespace,
    hostAddresses: ["127.0.0.1"],
    operatorVersion: "0.1.0",
    log: SILENT_LOGGER,
    meter: NO_METER,
    clock: SYSTEM_CLOCK,
    signal,
  };
}

/** Connects an agent as far as its handshake. */
async function connect(api: CountingApi): Promise<Link> {
  const config = await agentYaml(api);
  const dialer = createGrpcDialer({
    endpoint: config.endpoints[0] ?? "",
    ca: config.ca ?? "",
    log: SILENT_LOGGER,
  });
  const link = await dialer.dial({ signal: AbortSignal.timeout(30_000) });
  return await initiateHandshake(link, {
    device: config.device,
    key: config.credential,
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
    await using leader = await LeaderFixture.start(api);
    const { devices, grpcPort } = leader.term;
    // The next leader has another port: agent.yaml follows.
    await until(() => devices.find(api.name)?.findKeys() !== undefined, "keys");
    const endpoint = `127.0.0.1:${grpcPort}`;
    await until(
      async () => (await agentYaml(api)).endpoints[0] === endpoint,
      "agent.yaml with the port",
    );
    const sealed = await connect(api);
    sealed.close("enough");
    await sealed.closed;
  }
});

for (const hasOthers of [false, true]) {
  Deno.test(`startTerm() ${hasOthers ? "ends links after offlineAfter" : "keeps links"} while leadership is suspended and there are ${hasOthers ? "" : "no "}others`, async () => {
    await using api = await openCluster();
    await api.putObject(
      EDGE_DEVICE,
      edge(api, { connectivity: { timers: { offlineAfter: "5s" } } }),
    );
    await using leader = await LeaderFixture.start(api, { hasOthers });
    const { term, leadership } = leader;
    await until(
      () => term.devices.find(api.name)?.findKeys() !== undefined,
      "keys",
    );
    const device = term.devices.find(api.name);
    assert.ok(device);
    const agent = await runAgentSession(await connect(api));
    await until(() => device.link.isUp, "the link");
    leadership.set(true);
    await assert.rejects(connect(api), {
      code: "unavailable",
      message: /can't reach the API server$/,
    });
    if (hasOthers) {
      await until(() => !device.link.isUp, "the end of the link");
    } else {
      const startMs = performance.now();
      await until(() => performance.now() - startMs > 7000, "seven seconds");
      assert.equal(device.link.isUp, true);
    }
    leadership.set(false);
    await agent.close();
    const sealed = await connect(api);
    sealed.close("enough");
    await sealed.closed;
  });
}

/** Greets as an agent and serves every request with success until it is closed. */
async function runAgentSession(link: Link) {
  const session = createSession({
    side: "agent",
    handlers: {
      request: () => Promise.resolve(new Uint8Array()),
      stream: () => Promise.reject(new Error("unexpected stream")),
    },
    log: SILENT_LOGGER,
  });
  const greeting = await greetAsAgent(link, {
    session,
    capabilities: ["pods.v1"],
    agentVersion: "0.1.0",
    machineId: "machine-1",
    bootId: "boot-1",
  });
  const running = session.run(link, greeting);
  return {
    async close() {
      await session.close(new AranyaError("unavailable", "enough"));
      await running;
    },
  };
}

Deno.test("startTerm() rejects when it is aborted while the API server does not answer", async () => {
  await using server = await ScriptedServer.start();
  server.script = () => {};
  await using client = await createScriptedClient(server);
  const stop = new AbortController();
  const starting = startTerm({
    ...termOptions({ client, namespace: "home", signal: stop.signal }),
    leadership: new TestLeadership(),
    front: {
      readAuthority: () => new Promise(() => {}),
      waitForPort: () => Promise.resolve(1),
    },
    replicas: {
      endpoints: [],
      isComplete: false,
      hasOthers: false,
      onChange: () => () => {},
    },
  });
  await until(() => server.requests > 0, "a request");
  stop.abort(new TypeError("enough"));
  await assert.rejects(starting, /enough/);
});
