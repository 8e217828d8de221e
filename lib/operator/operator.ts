// SPDX-License-Identifier: Apache-2.0
/**
 * The operator process: connects to the API server, accepts links, waits for leadership, and serves
 * devices while it leads.
 */
import {
  AranyaError,
  asAranyaError,
  type Clock,
  defined,
  type Logger,
  retryUntilSuccess,
  Scope,
  SYSTEM_CLOCK,
  whenAborted,
} from "../shared/base/mod.ts";
import {
  createKubeClient,
  FencedClient,
  type KubeClient,
  type Leadership,
  type ProxyEnv,
  waitForLeadership,
} from "./kube/mod.ts";
import { findHostAddresses } from "./host_address.ts";
import { LinkFront } from "./link_front.ts";
import { LinkGate } from "./link_gate.ts";
import type { OperatorOptions } from "./options.ts";
import { servePages } from "./pages.ts";
import { OperatorProgress } from "./progress.ts";
import { PrometheusMeter } from "./prometheus_meter.ts";
import { Replicas } from "./replicas.ts";
import { startTerm, type Term } from "./term.ts";

/** Name of the Lease by which the operators of a namespace elect their leader. */
const LEADER_LEASE = "aranya-operator";

/** Options of {@linkcode runOperator}. */
export interface RunOperatorOptions {
  options: OperatorOptions;
  /** Version of this program. */
  version: string;
  /** "host:port" of the API server for the ServiceAccount of a pod. */
  inClusterServer?: string | undefined;
  /** HTTPS_PROXY and NO_PROXY. */
  proxyEnv?: ProxyEnv;
  log: Logger;
  clock?: Clock;
  /** Stops the operator. */
  signal: AbortSignal;
}

/**
 * Runs the operator until the signal is aborted. An outage of the API server and the loss of
 * leadership don't end it.
 * @throws {AranyaError} what a user has to correct first: kubeconfig, namespace, a port that is
 * taken
 */
export async function runOperator(run: RunOperatorOptions): Promise<void> {
  const { options, log, signal, clock = SYSTEM_CLOCK } = run;
  const meter = new PrometheusMeter();
  await using scope = new Scope();
  const client = scope.use(
    await createKubeClient({
      kubeconfigFile: options.kubeconfigFiles.length > 0
        ? options.kubeconfigFiles
        : undefined,
      inClusterServer: run.inClusterServer,
      ...defined({ proxyEnv: run.proxyEnv }),
      log,
      meter,
    }),
  );
  const namespace = options.namespace ?? client.namespace;
  if (!namespace) {
    throw new AranyaError(
      "invalid",
      "Cannot start operator: no namespace is set, expected --namespace or POD_NAMESPACE",
    );
  }
  const progress = new OperatorProgress(meter);
  const pages = scope.use(
    await servePages({
      port: options.httpPort,
      meter,
      status: progress,
      clock,
    }),
  );
  const hostAddresses = options.hostAddresses.length > 0
    ? options.hostAddresses
    : await findHostAddresses({ server: client.server });
  log.info("operator started", {
    namespace,
    version: run.version,
    addresses: hostAddresses.join(","),
    port: pages.port,
  });
  const operator = new Operator({
    ...run,
    clock,
    client,
    namespace,
    hostAddresses,
    meter,
    progress,
  });
  try {
    await operator.run();
  } catch (error) {
    if (!signal.aborted) throw error;
    log.info("operator stopped");
  }
}

interface OperatorParts extends RunOperatorOptions {
  clock: Clock;
  client: KubeClient;
  namespace: string;
  hostAddresses: string[];
  meter: PrometheusMeter;
  progress: OperatorProgress;
}

/** What lives as long as the process, and one term of leadership after the other. */
class Operator {
  readonly #parts: OperatorParts;
  /** `holderIdentity` in the leader's Lease; unique. */
  readonly #identity: string;
  readonly #gate: LinkGate;
  readonly #front: LinkFront;
  readonly #replicas: Replicas;

  constructor(parts: OperatorParts) {
    this.#parts = parts;
    const { client, namespace, hostAddresses, options } = parts;
    const { log, meter, clock } = parts;
    const suffix = crypto.randomUUID().slice(0, 8);
    this.#identity = `${Deno.hostname()}_${suffix}`;
    this.#gate = new LinkGate({
      finder: {
        findEndpoint: (identity, peer) =>
          this.#replicas.findEndpoint(identity, peer),
      },
      clock,
    });
    this.#front = new LinkFront({
      client,
      namespace,
      hostAddresses,
      grpcPort: options.grpcPort,
      directory: this.#gate,
      log,
      meter,
      clock,
    });
    this.#replicas = new Replicas({
      client,
      namespace,
      name: `${LEADER_LEASE}-${suffix}`,
      identity: this.#identity,
      hostAddresses,
      front: this.#front,
      log,
      clock,
    });
  }

  /**
   * Runs until the signal is aborted.
   * @throws the signal's reason; an AranyaError when agents or devices can't be served
   */
  async run(): Promise<void> {
    const front = this.#front;
    await using scope = new Scope();
    scope.use(front);
    scope.defer(() => this.#replicas.unregister());
    scope.run((signal) => this.#noteFirstContact(signal));
    scope.run((signal) =>
      this.#replicas.run({
        leads: () => this.#parts.progress.phase === "leading",
        signal,
      })
    );
    const ended = AbortSignal.any([this.#parts.signal, front.failed]);
    for (;;) await this.#serveOneTerm(ended);
  }

  /**
   * Waits for leadership and serves devices until it is lost.
   * @throws the signal's reason when it is aborted; an AranyaError when the term can't be started
   */
  async #serveOneTerm(signal: AbortSignal): Promise<void> {
    const { client, namespace, log, clock, progress } = this.#parts;
    if (progress.phase !== "starting") progress.phase = "standing by";
    const leadership = await waitForLeadership({
      client,
      namespace,
      name: LEADER_LEASE,
      identity: this.#identity,
      onHolder: (holder) => this.#gate.setLeader(holder),
      log,
      clock,
      signal,
    });
    const ended = AbortSignal.any([signal, leadership.lost]);
    this.#gate.onElected();
    const fenced = new FencedClient(client, leadership);
    let term: Term | undefined;
    try {
      progress.phase = "taking over";
      progress.leadership = leadership;
      log.info("operator is the leader", { namespace });
      term = await this.#startTerm({ leadership, fenced, signal: ended });
      progress.term = term;
      progress.phase = "leading";
      log.info("operator serves devices", { namespace, port: term.grpcPort });
      using _open = this.#gate.open({ devices: term.devices, leadership });
      await whenAborted(ended);
    } catch (error) {
      if (!ended.aborted) throw asAranyaError(error, "Cannot serve devices");
    } finally {
      progress.phase = "standing by";
      progress.term = undefined;
      progress.leadership = undefined;
      if (leadership.lost.aborted) {
        log.warn("leadership was lost", { namespace });
      }
      // Nothing is written any more, so that the next leader need not wait until all links ended.
      await fenced[Symbol.asyncDispose]();
      await Promise.all([
        leadership.release(),
        term?.[Symbol.asyncDispose](),
      ]);
    }
    signal.throwIfAborted();
  }

  async #startTerm(
    { leadership, fenced, signal }: {
      leadership: Leadership;
      fenced: FencedClient;
      signal: AbortSignal;
    },
  ): Promise<Term> {
    const { client, options, namespace, hostAddresses, version } = this.#parts;
    const { log, meter, clock } = this.#parts;
    return await startTerm({
      client: fenced,
      reviewClient: client,
      leadership,
      front: this.#front,
      replicas: this.#replicas,
      options,
      namespace,
      hostAddresses,
      operatorVersion: version,
      log,
      meter,
      clock,
      signal,
    });
  }

  /** Ends the phase "starting" once the API server was reached. */
  async #noteFirstContact(signal: AbortSignal): Promise<void> {
    const { client, progress, log, clock } = this.#parts;
    await retryUntilSuccess(() => client.version({ signal }), {
      object: "the API server's version",
      log,
      clock,
      signal,
    });
    if (progress.phase === "starting") progress.phase = "standing by";
  }
}
