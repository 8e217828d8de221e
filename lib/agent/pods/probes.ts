// SPDX-License-Identifier: Apache-2.0
/** Startup, liveness and readiness probes of one container instance. */
import { type Clock, Scope, withDeadline } from "../../shared/base/mod.ts";
import type { Container, Handler, Probe } from "../../shared/wire/mod.ts";
import type { HandlerResult } from "./lifecycle_handler.ts";

/** The probes that Kubernetes knows. */
export type ProbeKind = "startup" | "liveness" | "readiness";

/** The container instance that is probed; it receives the results. */
export interface ProbeTarget {
  /** Runs a probe's handler in the instance. Rejects only with the signal's reason. */
  runHandler(handler: Handler, signal: AbortSignal): Promise<HandlerResult>;
  /** `ready` or `started` of the probes changed. */
  onProbeStateChanged(): void;
  /** One attempt failed, whether or not the failure threshold is reached. */
  onProbeFailed(kind: ProbeKind, message: string): void;
  /** The failure threshold is reached: the instance is to be replaced. */
  onUnhealthy(
    kind: "startup" | "liveness",
    options: { graceSeconds: number | undefined },
  ): void;
}

/** Options of {@linkcode ContainerProbes}. */
export interface ContainerProbesOptions {
  /** Spec with the probes. */
  container: Container;
  target: ProbeTarget;
  clock: Clock;
  /**
   * The instance was started before this agent: its initial delays and its startup probe are
   * skipped, and it counts as ready until a probe fails.
   */
  adopted: boolean;
}

/** What a probe counts to, and how often it runs; zero values of the spec mean the defaults. */
const DEFAULT_PERIOD_SECONDS = 10;
const DEFAULT_TIMEOUT_SECONDS = 1;
const DEFAULT_SUCCESS_THRESHOLD = 1;
const DEFAULT_FAILURE_THRESHOLD = 3;

/** One probe and what to do with its results. */
interface ProbeLoop {
  kind: ProbeKind;
  probe: Probe;
  /** Called with each result whose threshold is reached. Returns whether to go on. */
  onThreshold(ok: boolean): boolean;
}

/**
 * Runs the probes of one instance from `start` until it is disposed. Liveness and readiness wait
 * for the startup probe. An instance without probes is started and ready at once.
 */
export class ContainerProbes implements AsyncDisposable {
  readonly #options: ContainerProbesOptions;
  readonly #scope = new Scope();
  #started: boolean;
  #ready: boolean;

  constructor(options: ContainerProbesOptions) {
    const { container, adopted } = options;
    this.#options = options;
    this.#started = !container.startup || adopted;
    this.#ready = !container.readiness || adopted;
  }

  /** Whether the startup probe has succeeded. */
  get started(): boolean {
    return this.#started;
  }

  /** Whether the readiness probe passes. */
  get ready(): boolean {
    return this.#ready;
  }

  /** Starts to probe. Call it once. */
  start(): void {
    const { startup } = this.#options.container;
    if (this.#started || !startup) return this.#startOtherProbes();
    this.#runLoop({
      kind: "startup",
      probe: startup,
      onThreshold: (ok) => {
        if (ok) {
          this.#setState({ started: true });
          this.#startOtherProbes();
        } else this.#reportUnhealthy("startup", startup);
        return false;
      },
    });
  }

  /** Stops all probes; running handlers are aborted and awaited. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.close();
  }

  #startOtherProbes(): void {
    const { liveness, readiness } = this.#options.container;
    if (liveness) {
      this.#runLoop({
        kind: "liveness",
        probe: liveness,
        onThreshold: (ok) => {
          if (!ok) this.#reportUnhealthy("liveness", liveness);
          return ok;
        },
      });
    }
    if (readiness) {
      this.#runLoop({
        kind: "readiness",
        probe: readiness,
        onThreshold: (ok) => {
          this.#setState({ ready: ok });
          return true;
        },
      });
    }
  }

  #setState(
    { started = this.#started, ready = this.#ready }: {
      started?: boolean;
      ready?: boolean;
    },
  ): void {
    if (started === this.#started && ready === this.#ready) return;
    this.#started = started;
    this.#ready = ready;
    this.#options.target.onProbeStateChanged();
  }

  #reportUnhealthy(
    kind: "startup" | "liveness",
    { terminationGraceSeconds }: Probe,
  ): void {
    this.#options.target.onUnhealthy(kind, {
      graceSeconds: terminationGraceSeconds === undefined
        ? undefined
        : Number(terminationGraceSeconds),
    });
  }

  #runLoop(loop: ProbeLoop): void {
    this.#scope.run((signal) => this.#repeat(loop, signal));
  }

  /** Probes at the period of the spec until `onThreshold` or the signal ends it. */
  async #repeat(loop: ProbeLoop, signal: AbortSignal): Promise<void> {
    const { clock, adopted } = this.#options;
    const { probe, onThreshold } = loop;
    const periodMs = (probe.periodSeconds || DEFAULT_PERIOD_SECONDS) * 1_000;
    const successThreshold = probe.successThreshold ||
      DEFAULT_SUCCESS_THRESHOLD;
    const failureThreshold = probe.failureThreshold ||
      DEFAULT_FAILURE_THRESHOLD;
    let lastOk: boolean | undefined;
    let sameResultCount = 0;
    try {
      if (!adopted) {
        await clock.sleep(probe.initialDelaySeconds * 1_000, { signal });
      }
      for (;;) {
        const ok = await this.#probeOnce(loop, signal);
        sameResultCount = ok === lastOk ? sameResultCount + 1 : 1;
        lastOk = ok;
        const threshold = ok ? successThreshold : failureThreshold;
        if (sameResultCount >= threshold && !onThreshold(ok)) return;
        await clock.sleep(periodMs, { signal });
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Returns whether one attempt succeeded. @throws the signal's reason when it is aborted */
  async #probeOnce(
    { kind, probe }: ProbeLoop,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { target } = this.#options;
    const { handler } = probe;
    if (!handler) return true;
    try {
      const result = await withDeadline(
        (signal) => target.runHandler(handler, signal),
        {
          timeoutMs: (probe.timeoutSeconds || DEFAULT_TIMEOUT_SECONDS) * 1_000,
          action: `Cannot finish ${kind} probe`,
          signal,
        },
      );
      if (result.ok) return true;
      target.onProbeFailed(kind, result.message);
    } catch (error) {
      signal.throwIfAborted();
      target.onProbeFailed(
        kind,
        error instanceof Error ? error.message : String(error),
      );
    }
    return false;
  }
}
