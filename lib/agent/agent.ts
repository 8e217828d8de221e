// SPDX-License-Identifier: Apache-2.0
/** The agent of one device, from the lock on its state to the link to the operator. */
import {
  AranyaError,
  type Clock,
  defined,
  type Logger,
  onAbort,
  Scope,
  SYSTEM_CLOCK,
} from "../shared/base/mod.ts";
import type { AgentConfig } from "../shared/config/mod.ts";
import { createGrpcDialer, type LinkDialer } from "../shared/link/mod.ts";
import {
  createSession,
  type Session,
  type SessionHandlers,
  type Stream,
} from "../shared/session/mod.ts";
import type { Method, PodStatus } from "../shared/wire/mod.ts";
import {
  BlobFetcher,
  CommandHandlers,
  FactsReport,
  PodReports,
} from "./commands/mod.ts";
import { ConfigFile } from "./config_file.ts";
import { type ConnectionListener, OperatorConnection } from "./connection.ts";
import { OperatorConnector } from "./connector.ts";
import { CredentialStore } from "./credential_store.ts";
import { EndpointStore } from "./endpoint_store.ts";
import { createOwnImagesRecord } from "./own_images.ts";
import { createPressureRecord } from "./pressure_record.ts";
import {
  createPodWorkers,
  type Mounts,
  type PodEvent,
  type PodReporter,
  type PodWorkers,
} from "./pods/mod.ts";
import type {
  ContainerRuntime,
  DeviceReader,
  ImageCollector,
  StreamRuntime,
} from "./runtime/mod.ts";
import {
  createSeal,
  loadStateKey,
  lockStateDir,
  openStore,
  type StateStore,
} from "./state/mod.ts";

/** Options of {@linkcode runAgent}. */
export interface RunAgentOptions {
  /** Content of agent.yaml. */
  config: AgentConfig;
  /** Path of agent.yaml; rotated credentials and changed endpoints are written there. */
  configFile: string;
  /** Version of this program. */
  version: string;
  /** The container engine. */
  runtime: ContainerRuntime;
  /** Removes unused images. @default none are removed */
  images?: ImageCollector;
  /** Streams into containers and the host. */
  streams: StreamRuntime;
  /** Facts and statistics of the device. */
  reader: DeviceReader;
  /** Mounts memory for secrets and emptyDirs. */
  mounts: Mounts;
  log: Logger;
  /** @default the machine's */
  clock?: Clock;
  /** Opens connections to the operator. @default gRPC as configured */
  dialer?: LinkDialer;
  /** Stops the agent; containers keep running. */
  signal: AbortSignal;
}

const FIRST_FACTS_TIMEOUT_MS = 10_000;

/**
 * Runs the agent until the signal is aborted. While another agent of the same device holds the lock
 * on the state directory, it waits to take over.
 * @throws {AranyaError} when state directory, key file or CA can't be used
 */
export async function runAgent(options: RunAgentOptions): Promise<void> {
  const { config, log, signal, version } = options;
  const dialer = options.dialer ?? createDialer(options);
  for (const reason of config.warnings) {
    log.warn("part of agent.yaml is ignored", { reason });
  }
  try {
    using _lock = await lockStateDir(config.stateDir, {
      signal,
      onWait: () =>
        log.info("another agent of this device is running, waiting", {
          object: config.stateDir,
        }),
    });
    const key = await loadStateKey(config.stateKeyFile, {
      stateDir: config.stateDir,
      signal,
      onWait: (error) => log.error("waiting for the state key file", { error }),
    });
    const seal = createSeal(key);
    const store = await openStore({ dir: config.stateDir, seal, log });
    log.info("agent is ready", { version });
    await new DeviceAgent(options, { store, dialer }).run();
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  log.info("agent stopped, containers keep running");
}

function createDialer({ config, log }: RunAgentOptions): LinkDialer {
  const { endpoints: [endpoint = ""], insecure, ca, serverName } = config;
  return createGrpcDialer({
    endpoint,
    insecure,
    log,
    ...defined({ ca, serverName }),
  });
}

/**
 * The parts of a running agent. The session comes first, because the others report and fetch
 * through it; it passes on to them what the operator sends, and the pod workers report to it.
 */
class DeviceAgent implements SessionHandlers, PodReporter, ConnectionListener {
  readonly #options: RunAgentOptions;
  readonly #store: StateStore;
  readonly #dialer: LinkDialer;
  readonly #clock: Clock;
  readonly #session: Session;
  readonly #facts: FactsReport;
  readonly #podReports: PodReports;
  /** Set before the first link, and so before the first request. */
  #handlers: SessionHandlers | undefined;
  #podWorkers: PodWorkers | undefined;

  constructor(
    options: RunAgentOptions,
    { store, dialer }: { store: StateStore; dialer: LinkDialer },
  ) {
    const { config, log, reader, version, clock = SYSTEM_CLOCK } = options;
    this.#options = options;
    this.#store = store;
    this.#dialer = dialer;
    this.#clock = clock;
    this.#session = createSession({
      side: "agent",
      offlineAfterMs: config.offlineAfterMs,
      log,
      clock,
      handlers: this,
    });
    this.#facts = new FactsReport({
      reader,
      session: this.#session,
      agentVersion: version,
      host: config.host,
      pods: config.pods,
      clock,
      log,
    });
    this.#podReports = new PodReports({ session: this.#session, clock, log });
  }

  /** Runs until the signal is aborted. @throws {AranyaError} when the state can't be used */
  async run(): Promise<void> {
    const { images, reader, log, signal } = this.#options;
    await using scope = new Scope({
      onError: (error) => log.error("task of the agent failed", { error }),
    });
    await reader.restore(createPressureRecord(this.#store));
    await this.#readFirstFacts();
    await images?.restore(createOwnImagesRecord(this.#store));
    const podWorkers = scope.use(await this.#startPodWorkers());
    this.#podWorkers = podWorkers;
    const configFile = new ConfigFile(this.#options.configFile);
    const credentials = await this.#openCredentials(configFile);
    const endpoints = await this.#openEndpoints(configFile);
    this.#handlers = this.#createHandlers({
      podWorkers,
      credentials,
      endpoints,
    });
    scope.defer(() => this.#closeSession());
    // Closing the session also ends the link that `OperatorConnection.run` waits for.
    using _listener = onAbort(signal, () => void this.#closeSession());
    scope.run((signal) => this.#facts.run(signal));
    scope.run((signal) => this.#podReports.run(signal));
    scope.run(async (signal) => {
      const listNeeded = () => podWorkers.listImages();
      await images?.run({ listNeeded, signal });
    });
    await this.#createConnection({ credentials, endpoints }).run(signal);
  }

  /** The operator's Hello needs the machine's identity. A failure is only logged: it is retried. */
  async #readFirstFacts(): Promise<void> {
    const { log, signal } = this.#options;
    const timeout = AbortSignal.timeout(FIRST_FACTS_TIMEOUT_MS);
    try {
      await this.#facts.read(AbortSignal.any([signal, timeout]));
    } catch (error) {
      log.warn("device facts can't be read, will retry", { error });
    }
  }

  #startPodWorkers(): Promise<PodWorkers> {
    const { config, runtime, reader, images, mounts, log } = this.#options;
    const blobs = new BlobFetcher(this.#session);
    return createPodWorkers({
      runtime,
      reader,
      images,
      mounts,
      log,
      store: this.#store,
      clock: this.#clock,
      host: this.#facts,
      switches: config.pods,
      fetchBlobs: (request) => blobs.fetch(request),
      reporter: this,
    });
  }

  #openCredentials(configFile: ConfigFile): Promise<CredentialStore> {
    const { config, log, signal } = this.#options;
    return CredentialStore.open({
      key: config.credential,
      configFile,
      store: this.#store,
      reconnect: () => this.#session.disconnect("the credential was rotated"),
      clock: this.#clock,
      log,
      signal,
    });
  }

  #openEndpoints(configFile: ConfigFile): Promise<EndpointStore> {
    const { config, log } = this.#options;
    return EndpointStore.open({
      endpoints: config.endpoints,
      configFile,
      store: this.#store,
      log,
    });
  }

  #createHandlers(
    { podWorkers, credentials, endpoints }: {
      podWorkers: PodWorkers;
      credentials: CredentialStore;
      endpoints: EndpointStore;
    },
  ): CommandHandlers {
    const { config, reader, streams } = this.#options;
    return new CommandHandlers({
      podWorkers,
      reader,
      credential: credentials,
      endpoints,
      context: {
        device: config.device,
        host: config.host,
        streams,
        pods: podWorkers,
        clock: this.#clock,
      },
    });
  }

  #createConnection(
    { credentials, endpoints }: {
      credentials: CredentialStore;
      endpoints: EndpointStore;
    },
  ): OperatorConnection {
    const { config, version, log } = this.#options;
    return new OperatorConnection({
      endpoints,
      backoff: config.backoff,
      connector: new OperatorConnector({
        device: config.device,
        agentVersion: version,
        machine: this.#facts,
        dialer: this.#dialer,
        credentials,
        session: this.#session,
      }),
      session: this.#session,
      listener: this,
      clock: this.#clock,
      log,
    });
  }

  /** Ends the link with a Goodbye, and all streams with this error. */
  #closeSession(): Promise<void> {
    return this.#session.close(
      new AranyaError(
        "unavailable",
        `Cannot reach device "${this.#options.config.device}": its agent is stopping`,
      ),
    );
  }

  // ---- ConnectionListener ------------------------------------------------------------------

  onConnected(): void {
    this.#facts.onConnected();
    this.#podReports.onConnected();
    this.#podWorkers?.retryFailures();
  }

  // ---- PodReporter -------------------------------------------------------------------------

  onPodStatus(status: PodStatus): void {
    this.#podReports.onPodStatus(status);
  }

  onPodEvent(event: PodEvent): void {
    this.#podReports.onPodEvent(event);
  }

  onEngineChanged(): void {
    this.#facts.requestRead();
  }

  onPressureChanged(): void {
    this.#facts.requestRead();
  }

  // ---- SessionHandlers ---------------------------------------------------------------------

  async request(
    method: Method,
    payload: Uint8Array,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    return await this.#startedHandlers.request(method, payload, signal);
  }

  async stream(
    method: Method,
    payload: Uint8Array,
    stream: Stream,
  ): Promise<void> {
    await this.#startedHandlers.stream(method, payload, stream);
  }

  get #startedHandlers(): SessionHandlers {
    if (this.#handlers) return this.#handlers;
    throw new AranyaError("unavailable", "Cannot serve: the agent is starting");
  }
}
