// SPDX-License-Identifier: Apache-2.0
/**
 * The operator process: connects to the API server, waits for leadership, and serves devices while
 * it leads.
 */
import {
  AranyaError,
  asAranyaError,
  type Clock,
  defined,
  type Logger,
  Scope,
  SYSTEM_CLOCK,
  whenAborted,
} from "../shared/base/mod.ts";
import {
  createKubeClient,
  type KubeClient,
  type ProxyEnv,
  waitForLeadership,
} from "./kube/mod.ts";
import { findHostAddresses } from "./host_address.ts";
import type { OperatorOptions } from "./options.ts";
import { type OperatorStatus, servePages } from "./pages.ts";
import { PrometheusMeter } from "./prometheus_meter.ts";
import { startTerm, type Term } from "./term.ts";

/** Name of the Lease by which the operators of a namespace elect their leader. */
const LEADER_LEASE = "aranya-operator";

/** Timeout of the request that shows whether the API server can be reached at all. */
const FIRST_CONTACT_TIMEOUT_MS = 3_600_000;

/** Options of {@linkcode runOperator}. */
export interface RunOperatorOptions {
  options: OperatorOptions;
  /** Version of this program. */
  version: string;
  /** Holder identity in the leader's Lease; unique. @default host name and random digits */
  identity?: string;
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
    servePages({ port: options.httpPort, meter, status: progress }),
  );
  const hostAddresses = options.hostAddresses.length > 0
    ? options.hostAddresses
    : await findHostAddresses({ server: client.server });
  log.info("operator started", {
    namespace,
    version: run.version,
    address: hostAddresses.join(","),
    port: pages.port,
  });
  try {
    for (;;) {
      await serveOneTerm({
        ...run,
        clock,
        client,
        namespace,
        hostAddresses,
        meter,
        progress,
      });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    log.info("operator stopped");
  }
}

/** What the operator does at the moment, as the pages show it. */
class OperatorProgress implements OperatorStatus {
  /**
   * "starting" until the API server was reached once; then "standing by" as long as another process
   * leads.
   */
  phase: "starting" | "standing by" | "taking over" | "leading" = "starting";
  /** The term that this process serves; undefined unless it leads. */
  term: Term | undefined;
  readonly #meter: PrometheusMeter;

  constructor(meter: PrometheusMeter) {
    this.#meter = meter;
  }

  get notReadyReason(): string | undefined {
    return this.phase === "starting" || this.phase === "taking over"
      ? `operator is ${this.phase}`
      : undefined;
  }

  get activity(): string {
    return this.phase;
  }

  updateGauges(): void {
    const meter = this.#meter;
    const { rss, heapUsed } = Deno.memoryUsage();
    const devices = this.term?.devices;
    meter.set("process_resident_memory_bytes", { value: rss });
    meter.set("aranya_heap_used_bytes", { value: heapUsed });
    meter.set("aranya_leading", { value: this.phase === "leading" ? 1 : 0 });
    meter.set("aranya_devices", { value: devices?.size ?? 0 });
    meter.set("aranya_devices_connected", {
      value: devices?.connectedCount ?? 0,
    });
  }
}

interface TermRun extends RunOperatorOptions {
  clock: Clock;
  client: KubeClient;
  namespace: string;
  hostAddresses: string[];
  meter: PrometheusMeter;
  progress: OperatorProgress;
}

/**
 * Waits for leadership and serves devices until it is lost.
 * @throws the signal's reason when it is aborted; an AranyaError when the term can't be started
 */
async function serveOneTerm(run: TermRun): Promise<void> {
  const { client, namespace, log, clock, progress, signal } = run;
  if (progress.phase !== "starting") progress.phase = "standing by";
  noteFirstContact(run);
  const leadership = await waitForLeadership({
    client,
    namespace,
    name: LEADER_LEASE,
    identity: run.identity ??
      `${Deno.hostname()}_${crypto.randomUUID().slice(0, 8)}`,
    log,
    clock,
    signal,
  });
  const ended = AbortSignal.any([signal, leadership.lost]);
  let term: Term | undefined;
  try {
    progress.phase = "taking over";
    log.info("operator is the leader", { namespace });
    term = await startTerm({
      client,
      options: run.options,
      namespace,
      hostAddresses: run.hostAddresses,
      operatorVersion: run.version,
      log,
      meter: run.meter,
      clock,
      signal: ended,
    });
    progress.term = term;
    progress.phase = "leading";
    log.info("operator serves devices", { namespace, port: term.grpcPort });
    await whenAborted(ended);
  } catch (error) {
    if (!ended.aborted) throw asAranyaError(error, "Cannot serve devices");
  } finally {
    progress.phase = "standing by";
    progress.term = undefined;
    if (leadership.lost.aborted) log.warn("leadership was lost", { namespace });
    await term?.[Symbol.asyncDispose]();
    await leadership.release();
  }
  signal.throwIfAborted();
}

/** A standby is ready once it has reached the API server, which this notes in the background. */
function noteFirstContact({ client, progress, log, signal }: TermRun): void {
  client.version({ signal, timeoutMs: FIRST_CONTACT_TIMEOUT_MS }).then(() => {
    if (progress.phase === "starting") progress.phase = "standing by";
  }).catch((error) => {
    if (!signal.aborted) log.warn("API server was not reached", { error });
  });
}
