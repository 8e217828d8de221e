// SPDX-License-Identifier: Apache-2.0
/** Startup, liveness and readiness probes of one container instance. */
import { type Clock, Scope, withDeadline } from "../../shared/base/mod.ts";
import type { Container, Handler, Probe } from "../../shared/wire/mod.ts";
import { ClockTimer } from "./clock_timer.ts";
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
  /** One attempt succeeded in a way that the user should know of. */
  onProbeWarning(kind: ProbeKind, message: string): void;
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
  /** When the instance was started, on the monotonic clock; initial delays count from it. */
  startedAtMs: number;
  /** The instance ran before it was probed, e.g. it was started by an earlier agent. */
  adopted: boolean;
}

/** What a probe counts to, and how often it runs; zero values of the spec mean the defaults. */
const DEFAULT_PERIOD_SECONDS = 10;
const DEFAULT_TIMEOUT_SECONDS = 1;
const DEFAULT_SUCCESS_THRESHOLD = 1;
const DEFAULT_FAILURE_THRESHOLD = 3;
/** How long the state of an adopted instance may be unknown. */
const MAX_PENDING_MS = 3_000;

/** One probe and what to do with its results. */
interface ProbeLoop {
  kind: ProbeKind;
  probe: Probe;
  /** Called with each result, before `onThreshold`. */
  onResult?(ok: boolean): void;
  /** Called with each result whose threshold is reached. Returns whether to go on. */
  onThreshold(ok: boolean): boolean;
}

/**
 * Runs the probes of one instance from `start` until it is disposed. Liveness and readiness wait
 * for the startup probe. An instance without probes is started and ready at once.
 *
 * Whether an adopted instance has started and is ready is not known before the first results, which
 * decide without thresholds. Meanwhile its state is pending: whoever shows it can wait, so that a
 * restart of the agent neither makes a ready container unready nor the reverse.
 */
export class ContainerProbes implements AsyncDisposable {
  readonly #options: ContainerProbesOptions;
  /** The startup and liveness probes. */
  readonly #livenessScope = new Scope();
  readonly #readinessScope = new Scope();
  readonly #pendingTimer: ClockTimer;
  #isPending: boolean;
  #started: boolean;
  #ready: boolean;

  constructor(options: ContainerProbesOptions) {
    const { container: { startup, readiness }, clock } = options;
    this.#options = options;
    this.#started = !startup;
    this.#ready = !readiness;
    this.#isPending = this.#isPendingWith(startup ?? readiness);
    this.#pendingTimer = new ClockTimer(clock, () => this.#endPending());
  }

  /** Whether the startup probe has succeeded. */
  get started(): boolean {
    return this.#started;
  }

  /** Whether the readiness probe passes. */
  get ready(): boolean {
    return this.#ready;
  }

  /** Whether `started` and `ready` are going to be known soon. */
  get isPending(): boolean {
    return this.#isPending;
  }

  /** Starts to probe. Call it once. */
  start(): void {
    const { container: { startup }, clock } = this.#options;
    if (this.#isPending) {
      this.#pendingTimer.set(clock.monotonicMs() + MAX_PENDING_MS);
    }
    if (!startup) return this.#startOtherProbes();
    this.#runLoop(this.#livenessScope, {
      kind: "startup",
      probe: startup,
      onResult: (ok) => {
        if (!ok) this.#endPending();
      },
      onThreshold: (ok) => {
        if (ok) this.#onStarted();
        else this.#reportUnhealthy("startup", startup);
        return false;
      },
    });
  }

  /** Stops the liveness and startup probes, e.g. because the pod ends. May be called twice. */
  stopLivenessAndStartup(): void {
    void this.#livenessScope.close();
  }

  /** Stops all probes; running handlers are aborted and awaited. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#pendingTimer[Symbol.dispose]();
    await Promise.all([
      this.#livenessScope.close(),
      this.#readinessScope.close(),
    ]);
  }

  #onStarted(): void {
    const { container: { readiness }, target } = this.#options;
    this.#started = true;
    this.#isPending &&= this.#isPendingWith(readiness);
    target.onProbeStateChanged();
    this.#startOtherProbes();
  }

  #startOtherProbes(): void {
    const { liveness, readiness } = this.#options.container;
    if (liveness) {
      this.#runLoop(this.#livenessScope, {
        kind: "liveness",
        probe: liveness,
        onThreshold: (ok) => {
          if (!ok) this.#reportUnhealthy("liveness", liveness);
          return ok;
        },
      });
    }
    if (readiness) {
      this.#runLoop(this.#readinessScope, {
        kind: "readiness",
        probe: readiness,
        onResult: (ok) => {
          if (this.#isPending && ok) this.#ready = true;
          this.#endPending();
        },
        onThreshold: (ok) => {
          if (this.#ready !== ok) {
            this.#ready = ok;
            this.#options.target.onProbeStateChanged();
          }
          return true;
        },
      });
    }
  }

  /** Returns whether the state is unknown until the first result of this probe. */
  #isPendingWith(probe: Probe | undefined): boolean {
    // An instance that is too young for the probe can't have passed it.
    return this.#options.adopted && probe !== undefined &&
      this.#remainingDelayMs(probe) === 0;
  }

  #endPending(): void {
    if (!this.#isPending) return;
    this.#isPending = false;
    this.#pendingTimer.set(undefined);
    this.#options.target.onProbeStateChanged();
  }

  #remainingDelayMs({ initialDelaySeconds }: Probe): number {
    const { clock, startedAtMs } = this.#options;
    const dueAtMs = startedAtMs + initialDelaySeconds * 1_000;
    return Math.max(0, dueAtMs - clock.monotonicMs());
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

  #runLoop(scope: Scope, loop: ProbeLoop): void {
    scope.run((signal) => this.#repeat(loop, signal));
  }

  /** Probes at the period of the spec until `onThreshold` or the signal ends it. */
  async #repeat(loop: ProbeLoop, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const { probe, onResult, onThreshold } = loop;
    const periodMs = (probe.periodSeconds || DEFAULT_PERIOD_SECONDS) * 1_000;
    const successThreshold = probe.successThreshold ||
      DEFAULT_SUCCESS_THRESHOLD;
    const failureThreshold = probe.failureThreshold ||
      DEFAULT_FAILURE_THRESHOLD;
    let lastOk: boolean | undefined;
    let sameResultCount = 0;
    try {
      await clock.sleep(this.#remainingDelayMs(probe), { signal });
      for (;;) {
        const ok = await this.#probeOnce(loop, signal);
        sameResultCount = ok === lastOk ? sameResultCount + 1 : 1;
        lastOk = ok;
        onResult?.(ok);
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
      if (result.ok) {
        const { warning } = result;
        if (warning !== undefined) target.onProbeWarning(kind, warning);
        return true;
      }
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
