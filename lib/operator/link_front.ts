// SPDX-License-Identifier: Apache-2.0
/** The gRPC listener of this process, whether it leads or not. */
import {
  abortable,
  AranyaError,
  type Clock,
  hasCode,
  type Logger,
  type Meter,
  retryUntilSuccess,
  Scope,
} from "../shared/base/mod.ts";
import {
  type GrpcListener,
  type GrpcServerTls,
  listenGrpc,
} from "../shared/link/mod.ts";
import {
  type Authority,
  type DeviceDirectory,
  ensureAuthority,
  serveLinks,
} from "./fleet/mod.ts";
import { GrpcTls, type GrpcTlsSource } from "./grpc_tls.ts";
import {
  createInformer,
  EDGE_DEVICE,
  type EdgeDevice,
  type Informer,
  type KubeClient,
} from "./kube/mod.ts";
import { listenOnAllFamilies } from "./listen.ts";

/** How long a leader waits for a port that another process has; that may be its predecessor. */
const PORT_TIMEOUT_MS = 10_000;
const PORT_RETRY_MS = 500;
const PORT_POLL_MS = 50;

/** Options of {@linkcode LinkFront}. */
export interface LinkFrontOptions {
  client: KubeClient;
  /** Namespace of the EdgeDevices and of the CA's Secret. */
  namespace: string;
  /** Addresses of this host. */
  hostAddresses: readonly string[];
  /** 0: any free port. */
  grpcPort: number;
  /** Decides about each agent that connects. */
  directory: DeviceDirectory;
  log: Logger;
  meter: Meter;
  clock: Clock;
}

/**
 * Accepts links for the whole life of the process: a standby refuses them by its directory, and a
 * leader that is suspended keeps those that it has. Knows the endpoints that EdgeDevices set, so
 * that also a standby has a certificate for them.
 *
 * Starts with its construction and waits for the API server without limit; dispose it to stop.
 */
export class LinkFront implements AsyncDisposable, GrpcTlsSource {
  readonly #options: LinkFrontOptions;
  readonly #scope = new Scope();
  readonly #edges: Informer<EdgeDevice>;
  readonly #tls: GrpcTls;
  readonly #failed = new AbortController();
  #listener: GrpcListener | undefined;
  /** Why the last attempt to listen failed, while another process has the port. */
  #conflict: unknown;

  constructor(options: LinkFrontOptions) {
    this.#options = options;
    const { client, namespace, hostAddresses, log, clock } = options;
    this.#edges = this.#scope.use(
      createInformer({
        client,
        type: EDGE_DEVICE,
        namespace,
        log,
        strip: keepEndpoint,
      }),
    );
    this.#tls = new GrpcTls({ source: this, hostAddresses, clock, log });
    this.#scope.run((signal) => this.#run(signal));
  }

  /** Is aborted when no more links can be accepted, with the error as its reason. */
  get failed(): AbortSignal {
    return this.#failed.signal;
  }

  /** The port that agents connect to; undefined while it is not known. */
  get grpcPort(): number | undefined {
    return this.#listener?.address.port ??
      (this.#options.grpcPort || undefined);
  }

  /**
   * Resolves with the port once it listens.
   * @throws {AranyaError} code "conflict" when another process has the port for 10 s more
   */
  async waitForPort(signal: AbortSignal): Promise<number> {
    const { clock } = this.#options;
    const deadlineMs = clock.monotonicMs() + PORT_TIMEOUT_MS;
    for (;;) {
      this.failed.throwIfAborted();
      if (this.#listener) return this.#listener.address.port;
      if (this.#conflict && clock.monotonicMs() > deadlineMs) {
        throw this.#conflict;
      }
      await clock.sleep(PORT_POLL_MS, { signal });
    }
  }

  /** See {@linkcode GrpcTlsSource.readAuthority}. */
  readAuthority(): Promise<Authority> {
    const { client, namespace } = this.#options;
    const { signal } = this.#scope;
    return ensureAuthority(client, { namespace, signal });
  }

  /** See {@linkcode GrpcTlsSource.readEndpoints}. */
  readEndpoints(): readonly string[] {
    return this.#edges.list().flatMap((edge) => endpointOf(edge) ?? []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.close();
  }

  async #run(signal: AbortSignal): Promise<void> {
    try {
      const tls = await this.#issueTls(signal);
      const listener = this.#scope.use(await this.#listen(tls, signal));
      this.#listener = listener;
      this.#edges.onChange(({ now, old }) => {
        if (endpointOf(now) !== endpointOf(old)) this.#tls.notifyChange();
      });
      // Whatever came between the first certificate and the subscription.
      this.#tls.notifyChange();
      this.#scope.run((signal) => this.#tls.run(listener, signal));
      const { directory, log, meter } = this.#options;
      await serveLinks({ listener, directory, log, meter, signal });
      signal.throwIfAborted();
      throw new AranyaError(
        "internal",
        "Cannot accept agents: the gRPC listener has ended",
      );
    } catch (error) {
      if (!signal.aborted) this.#failed.abort(error);
    }
  }

  async #issueTls(signal: AbortSignal): Promise<GrpcServerTls> {
    const { log, clock } = this.#options;
    await abortable(this.#edges.synced, signal);
    return await retryUntilSuccess(() => this.#tls.issue(), {
      object: "the operator's CA",
      log,
      clock,
      signal,
    });
  }

  /** Retries while another process has the port. */
  async #listen(
    tls: GrpcServerTls,
    signal: AbortSignal,
  ): Promise<GrpcListener> {
    const { grpcPort, log, meter, clock } = this.#options;
    const options = { port: grpcPort, tls, log, meter };
    for (;;) {
      try {
        const listener = await listenOnAllFamilies((host) =>
          listenGrpc({ ...options, host })
        );
        this.#conflict = undefined;
        return listener;
      } catch (error) {
        if (!hasCode(error, "conflict")) throw error;
        if (!this.#conflict) {
          log.warn("gRPC port is taken, will retry", { port: grpcPort, error });
        }
        this.#conflict = error;
      }
      await clock.sleep(PORT_RETRY_MS, { signal });
    }
  }
}

function endpointOf(edge: EdgeDevice | undefined): string | undefined {
  return edge?.spec?.connectivity?.grpcConfig?.endpoint;
}

/** Drops what is not needed, since all EdgeDevices are held by standbys too. */
function keepEndpoint(edge: EdgeDevice): EdgeDevice {
  const { metadata } = edge;
  const { namespace = "", name, resourceVersion = "", uid = "" } = metadata;
  const endpoint = endpointOf(edge);
  return {
    metadata: { namespace, name, resourceVersion, uid },
    spec: endpoint === undefined
      ? {}
      : { connectivity: { grpcConfig: { endpoint } } },
  };
}
