// SPDX-License-Identifier: Apache-2.0
/** The operator as a whole: connects, waits for leadership, serves a term, and starts over when leadership is lost. */
import {
  AranyaError,
  asAranyaError,
  type Clock,
  type Logger,
  Scope,
  SYSTEM_CLOCK,
} from "../shared/base/mod.ts";
import {
  createKubeClient,
  type KubeClient,
  waitForLeadership,
} from "./kube/mod.ts";
import { findHostAddresses } from "./host_address.ts";
import { createPageMeter, type PageMeter, servePages } from "./pages.ts";
import type { OperatorOptions } from "./options.ts";
import { startTerm, type Term } from "./term.ts";

/** Name of the Lease by which one operator of a namespace leads. */
export const LEADER_LEASE = "aranya-operator";

/** Options of {@linkcode runOperator}. */
export interface RunOperatorOptions {
  options: OperatorOptions;
  /** Of this program. */
  version: string;
  /** Tells this process apart from others. @default host name and random digits */
  identity?: string;
  /** host:port of the API server for a pod's account. */
  inClusterServer?: string | undefined;
  log: Logger;
  clock?: Clock;
  /** Ends it. */
  signal: AbortSignal;
}

/**
 * Runs until the signal is aborted.
 * @throws {AranyaError} what a person must put right before it can run: kubeconfig, namespace, ports
 */
export async function runOperator(run: RunOperatorOptions): Promise<void> {
  const { options, log, signal, clock = SYSTEM_CLOCK } = run;
  const meter = createPageMeter();
  await using scope = new Scope();
  const client = scope.use(
    await createKubeClient({
      kubeconfigFile: options.kubeconfigFile,
      inClusterServer: run.inClusterServer,
      log,
      meter,
    }),
  );
  const namespace = options.namespace ?? client.namespace;
  if (!namespace) {
    throw new AranyaError(
      "invalid",
      "Cannot start operator: it is not said which namespace to serve, expected --namespace or POD_NAMESPACE",
    );
  }
  const life: Life = { phase: "starting", term: undefined };
  const pages = scope.use(
    servePages({ port: options.httpPort, meter, state: toState(life, meter) }),
  );
  const hostAddresses = options.hostAddresses.length > 0
    ? options.hostAddresses
    : await findHostAddresses({ server: client.server });
  log.info("operator starts", {
    namespace,
    version: run.version,
    address: hostAddresses.join(","),
    count: pages.port,
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
        life,
      });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    log.info("operator stops");
  }
}

/** Where the operator is in its life; shown by /readyz. */
interface Life {
  phase: "starting" | "standing by" | "taking over" | "leading";
  term: Term | undefined;
}

interface TermRun extends RunOperatorOptions {
  clock: Clock;
  client: KubeClient;
  namespace: string;
  hostAddresses: string[];
  meter: PageMeter;
  life: Life;
}

async function serveOneTerm(run: TermRun): Promise<void> {
  const { client, namespace, log, clock, life, signal } = run;
  // Reaching the API server once is what being ready means for one that only stands by.
  life.phase = life.phase === "starting" ? "starting" : "standing by";
  void client.version({ signal, timeoutMs: 3_600_000 }).then(() => {
    if (life.phase === "starting") life.phase = "standing by";
  }).catch((error) => {
    if (!signal.aborted) log.warn("API server was not reached", { error });
  });
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
  const over = AbortSignal.any([signal, leadership.lost]);
  let term: Term | undefined;
  try {
    life.phase = "taking over";
    log.info("operator leads", { namespace });
    term = await startTerm({
      client,
      options: run.options,
      namespace,
      hostAddresses: run.hostAddresses,
      operatorVersion: run.version,
      log,
      meter: run.meter,
      clock,
      signal: over,
    });
    life.term = term;
    life.phase = "leading";
    log.info("operator serves", { namespace, count: term.grpcPort });
    await aborted(over);
  } catch (error) {
    if (!over.aborted) throw asAranyaError(error, "Cannot serve devices");
  } finally {
    life.phase = "standing by";
    life.term = undefined;
    if (leadership.lost.aborted) log.warn("leadership was lost", { namespace });
    await term?.[Symbol.asyncDispose]();
    await leadership.release();
  }
  signal.throwIfAborted();
}

function toState(life: Life, meter: PageMeter) {
  return {
    notReady: () =>
      life.phase === "starting" || life.phase === "taking over"
        ? `operator is ${life.phase}`
        : undefined,
    doing: () => life.phase,
    refresh() {
      const { rss, heapUsed } = Deno.memoryUsage();
      meter.set("process_resident_memory_bytes", { value: rss });
      meter.set("aranya_heap_used_bytes", { value: heapUsed });
      meter.set("aranya_leading", { value: life.phase === "leading" ? 1 : 0 });
      meter.set("aranya_devices", { value: life.term?.devices.size ?? 0 });
      meter.set("aranya_devices_connected", {
        value: life.term?.devices.connectedCount ?? 0,
      });
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) =>
    signal.addEventListener("abort", () => resolve(), { once: true })
  );
}
