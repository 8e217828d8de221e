// SPDX-License-Identifier: Apache-2.0
/** The agent of one device: its rooms put together, from the lock on its state to the link. */
import {
  createFactsReport,
  createHandlers,
  createReports,
  type FactsReport,
  fetchBlobs,
} from "./commands/mod.ts";
import {
  AranyaError,
  type Clock,
  type Logger,
  Scope,
  SYSTEM_CLOCK,
} from "../shared/base/mod.ts";
import type { AgentConfig } from "../shared/config/mod.ts";
import { createGrpcDialer, type LinkDialer } from "../shared/link/mod.ts";
import type {
  ContainerRuntime,
  DeviceReader,
  StreamRuntime,
} from "./runtime/mod.ts";
import { initiateHandshake } from "../shared/noise/mod.ts";
import {
  createSession,
  greetAsAgent,
  type Session,
} from "../shared/session/mod.ts";
import {
  createSeal,
  loadStateKey,
  lockStateDir,
  openStore,
  type StateStore,
} from "./state/mod.ts";
import { CAPABILITIES } from "../shared/wire/mod.ts";
import { createPodWorkers, type Mounts, type PodWorkers } from "./pods/mod.ts";
import { keepConnected, type KeepConnectedOptions } from "./connection.ts";
import { createCredentialKeeper, type CredentialKeeper } from "./credential.ts";

/** Options of {@linkcode runAgent}. */
export interface RunAgentOptions {
  /** agent.yaml, read and checked. */
  config: AgentConfig;
  /** Path of agent.yaml; a rotated credential is written there. */
  configFile: string;
  /** This program's version. */
  version: string;
  /** The container engine. */
  runtime: ContainerRuntime;
  /** Into containers and the host. */
  streams: StreamRuntime;
  /** What the device is and how it does. */
  reader: DeviceReader;
  /** Memory for secrets and emptyDirs. */
  mounts: Mounts;
  /** Life-cycle and failures; never content. */
  log: Logger;
  /** Time. @default the machine's */
  clock?: Clock;
  /** Way to the operator. @default gRPC as the config says */
  dialer?: LinkDialer;
  /** Ends the agent; containers are left running. */
  signal: AbortSignal;
}

const FIRST_FACTS_TIMEOUT_MS = 10_000;

/**
 * Serves the device until the signal. While another agent of the device holds its state, waits ready to take over.
 * @throws {AranyaError} when it can't begin: state directory, key file or CA can't be used
 */
export async function runAgent(options: RunAgentOptions): Promise<void> {
  const { config, log, signal } = options;
  const dialer = options.dialer ?? createDialer(options);
  try {
    using _lock = await lockStateDir(config.stateDir, {
      signal,
      onWait: () =>
        log.info("another agent of this device runs, waiting to take over", {
          object: config.stateDir,
        }),
    });
    const seal = createSeal(await loadStateKey(config.stateKeyFile));
    const store = await openStore({ dir: config.stateDir, seal, log });
    log.info("agent is ready", { version: options.version });
    await serve(options, { store, dialer });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  log.info("agent has stopped, containers go on");
}

function createDialer({ config, log }: RunAgentOptions): LinkDialer {
  const [endpoint = ""] = config.endpoints;
  return createGrpcDialer({
    endpoint,
    insecure: config.insecure,
    log,
    ...(config.ca !== undefined && { ca: config.ca }),
    ...(config.serverName !== undefined && { serverName: config.serverName }),
  });
}

/** Holds the lock now. */
async function serve(
  options: RunAgentOptions,
  { store, dialer }: { store: StateStore; dialer: LinkDialer },
): Promise<void> {
  const { config, log, clock = SYSTEM_CLOCK, signal, reader } = options;
  await using scope = new Scope({
    onError: (error) => log.error("a part of the agent has failed", { error }),
  });
  const late: { session?: Session; podWorkers?: PodWorkers } = {};
  const mustHave = <T>(part: T | undefined): T => {
    if (part === undefined) {
      throw new TypeError("the agent is not put together");
    }
    return part;
  };
  // The session serves with the pod workers, which fetch through the session.
  const request: Session["request"] = (...call) =>
    mustHave(late.session).request(...call);
  const facts = createFactsReport({
    reader,
    session: { request },
    agentVersion: options.version,
    host: config.host,
    clock,
    log,
  });
  await facts.begin(
    AbortSignal.any([signal, AbortSignal.timeout(FIRST_FACTS_TIMEOUT_MS)]),
  ).catch((error) => log.warn("device could not be read", { error }));
  const reports = createReports({ session: { request }, clock, log });
  const podWorkers = scope.use(
    await createPodWorkers({
      ...options,
      store,
      log,
      clock,
      host: facts,
      fetchBlobs: (call) => fetchBlobs(mustHave(late.session), call),
      reporter: {
        onPodStatus: (status) => reports.status(status),
        onPodEvent: (event) => reports.event(event),
        onEngineChanged: () => facts.lookAgain(),
      },
    }),
  );
  const credential = await createCredentialKeeper({
    key: config.credential,
    configFile: options.configFile,
    store,
    log,
  });
  const session = createSession({
    side: "agent",
    offlineAfterMs: config.offlineAfterMs,
    log,
    clock,
    handlers: createHandlers({
      podWorkers,
      reader,
      credential,
      clock,
      log,
      context: {
        device: config.device,
        host: config.host,
        streams: options.streams,
        pods: podWorkers,
        clock,
      },
    }),
  });
  late.session = session;
  // Says goodbye, which also ends the link that `keepConnected` waits on.
  const sayGoodbye = () =>
    session.close(
      new AranyaError(
        "unavailable",
        `Cannot reach device "${config.device}": its agent is stopping`,
      ),
    );
  scope.defer(sayGoodbye);
  signal.addEventListener("abort", () => void sayGoodbye(), { once: true });
  scope.run((signal) => facts.run(signal));
  scope.run((signal) => reports.run(signal));
  await keepConnected({
    endpoints: config.endpoints,
    backoff: config.backoff,
    session,
    clock,
    log,
    signal,
    connect: (endpoint, signal) =>
      connect({ options, dialer, session, credential, facts }, {
        endpoint,
        signal,
      }),
    onConnected() {
      facts.connected();
      reports.connected();
      podWorkers.retryFailures();
    },
  });
}

interface ConnectParts {
  options: RunAgentOptions;
  dialer: LinkDialer;
  session: Session;
  credential: CredentialKeeper;
  facts: FactsReport;
}

/** One try at one end point, with the present credential, then with the one before a rotation. */
async function connect(
  parts: ConnectParts,
  call: { endpoint: string; signal: AbortSignal },
): ReturnType<KeepConnectedOptions["connect"]> {
  const keys = parts.credential.keys();
  for (const [index, key] of keys.entries()) {
    try {
      return await connectWith(key, { ...parts, ...call });
    } catch (error) {
      const refused = error instanceof AranyaError &&
        error.code === "unauthorized";
      if (!refused || index === keys.length - 1) throw error;
    }
  }
  throw new TypeError("there is always a credential");
}

async function connectWith(
  key: Uint8Array,
  parts: ConnectParts & { endpoint: string; signal: AbortSignal },
): ReturnType<KeepConnectedOptions["connect"]> {
  const { options, dialer, session, credential, facts, endpoint, signal } =
    parts;
  const raw = await dialer.dial({ endpoint, signal });
  const { device } = options.config;
  const link = await initiateHandshake(raw, { device, key, signal });
  const greeting = await greetAsAgent(link, {
    session,
    capabilities: Object.values(CAPABILITIES),
    agentVersion: options.version,
    machineId: facts.machineId,
    bootId: facts.bootId,
    signal,
  });
  await credential.used(key);
  return { link, greeting };
}
