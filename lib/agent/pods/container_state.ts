// SPDX-License-Identifier: Apache-2.0
/** What is remembered of one container between two looks: why it could not be started, its probes, and the message of its end. */
import {
  type Clock,
  concatBytes,
  fromUtf8,
  Scope,
  withDeadline,
} from "../../shared/base/mod.ts";
import type { RuntimeContainer } from "../runtime/mod.ts";
import type { Container, Handler, Probe } from "../../shared/wire/mod.ts";
import { type HandlerResult, runHandler } from "./lifecycle_handler.ts";
import type { PodMemory } from "./pod_state.ts";
import type { ContainerView, StartFailure } from "./plan_input.ts";
import type { StartRefusal } from "./start.ts";
import type { WorkerSurroundings } from "./context.ts";

const FIRST_RETRY_MS = 10_000;
const MAX_RETRY_MS = 300_000;
const ENGINE_RETRY_MS = 2_000;
/** Of the log, when a container ends badly without a message of its own. */
const FALLBACK_LINES = 80;
const FALLBACK_BYTES = 2_048;
const FALLBACK_TIMEOUT_MS = 10_000;

/** Options of {@linkcode ContainerMemory}. */
export interface ContainerMemoryOptions {
  around: WorkerSurroundings;
  name: string;
  pod: PodMemory;
  /** Has the worker look again. */
  wake(): void;
}

/** See the file's head. */
export class ContainerMemory {
  /** Why the last start came to nothing. */
  failure: StartFailure | undefined;
  /** The instance that shall end. */
  unhealthy: ContainerView["unhealthy"];
  readonly #options: ContainerMemoryOptions;
  #failureCount = 0;
  #probes: { id: string; value: Probes } | undefined;
  #startedHere: string | undefined;

  constructor(options: ContainerMemoryOptions) {
    this.#options = options;
  }

  /** The living instance is ready. */
  get ready(): boolean {
    return this.#probes?.value.ready ?? false;
  }

  /** The living instance has started. */
  get started(): boolean {
    return this.#probes?.value.started ?? false;
  }

  startFailed(failure: StartRefusal & { attempt: number }): void {
    const { attempt, reason, message, engineAway } = failure;
    const delayMs = engineAway
      ? ENGINE_RETRY_MS
      : Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failureCount++);
    const nowMs = this.#options.around.clock.monotonicMs();
    this.failure = {
      attempt,
      reason,
      message,
      failedAtMs: nowMs,
      retryAtMs: nowMs + delayMs,
    };
  }

  startSucceeded(id: string): void {
    this.failure = undefined;
    this.#failureCount = 0;
    this.#startedHere = id;
  }

  /** Has this instance ended and replaced. */
  giveUp(id: string, cause: { what: string; graceSeconds?: number }): void {
    const { pod, wake } = this.#options;
    const seconds = cause.graceSeconds ??
      Number(pod.record.spec.terminationGraceSeconds);
    this.unhealthy = { id, graceMs: seconds * 1_000, what: cause.what };
    wake();
  }

  /** Has the living instance probed, and no other. */
  probe(container: Container, id: string | undefined): void {
    if (this.#probes?.id === id) return;
    void this.#probes?.value[Symbol.asyncDispose]();
    this.#probes = undefined;
    if (id === undefined) return;
    const { around, name, pod, wake } = this.#options;
    const { clock, runtime } = around;
    const value = startProbes({
      container,
      clock,
      adopted: this.#startedHere !== id,
      run: (handler, signal) =>
        runHandler(handler, {
          target: {
            containerId: id,
            podUid: pod.record.spec.uid,
            podIp: pod.podIps()[0] ?? "127.0.0.1",
          },
          streams: runtime,
          clock,
          signal,
        }),
      onChange: wake,
      onUnhealthy: (kind, graceSeconds) =>
        this.giveUp(id, {
          what: `${kind} probe`,
          ...(graceSeconds !== undefined && { graceSeconds }),
        }),
      onFailure: (kind, text) =>
        pod.event({
          container: name,
          warning: true,
          reason: "Unhealthy",
          message: `${kind[0]?.toUpperCase()}${
            kind.slice(1)
          } probe failed: ${text}`,
        }),
    });
    this.#probes = { id, value };
  }

  async close(): Promise<void> {
    await this.#probes?.value[Symbol.asyncDispose]();
  }
}

/** Options of {@linkcode readTermination}. */
export interface ReadTerminationOptions {
  around: WorkerSurroundings;
  podUid: string;
  /** Take the end of the log when there is no message and it ended badly. */
  fallback: boolean;
}

/** The termination message of a dead instance; empty when there is none. */
export async function readTermination(
  container: RuntimeContainer,
  options: ReadTerminationOptions,
): Promise<string> {
  const { around, podUid, fallback } = options;
  const { name, attempt, id, exitCode } = container;
  const written = fromUtf8(
    await around.volumes.readMessage({ podUid, container: name, attempt }),
  );
  if (written !== "" || !fallback || exitCode === 0) return written;
  const parts: Uint8Array[] = [];
  try {
    const log = around.runtime.logs({
      target: { kind: "container", containerId: id, podUid },
      follow: false,
      timestamps: false,
      tailLines: FALLBACK_LINES,
    }, AbortSignal.timeout(FALLBACK_TIMEOUT_MS));
    for await (const part of log) parts.push(part);
  } catch (error) {
    around.log.warn("log of an ended container could not be read", {
      container: name,
      error,
    });
  }
  return fromUtf8(concatBytes(parts).subarray(-FALLBACK_BYTES));
}

/** Options of {@linkcode startProbes}. */
export interface StartProbesOptions {
  container: Container;
  /** Carries a handler out in the container. */
  run(handler: Handler, signal: AbortSignal): Promise<HandlerResult>;
  clock: Clock;
  /** It ran before this agent did: probed at once, and held ready until a probe says otherwise. */
  adopted: boolean;
  /** `ready` or `started` is another now. */
  onChange(): void;
  /** The container is to be ended; said once. `graceSeconds`: the probe's own. */
  onUnhealthy(kind: "liveness" | "startup", graceSeconds?: number): void;
  /** One probe failed, for the event. */
  onFailure(kind: ProbeKind, message: string): void;
}

/** Which probe. */
export type ProbeKind = "startup" | "liveness" | "readiness";

/** What the probes say; dispose to end them. */
export interface Probes extends AsyncDisposable {
  readonly ready: boolean;
  readonly started: boolean;
}

const DEFAULT_PERIOD_SECONDS = 10;

/** Begins to probe. A container without probes is started and ready at once. */
export function startProbes(options: StartProbesOptions): Probes {
  const { container, adopted, onChange } = options;
  const scope = new Scope();
  const state = {
    started: !container.startup || adopted,
    ready: !container.readiness || adopted,
  };
  const set = (change: Partial<typeof state>) => {
    const before = { ...state };
    Object.assign(state, change);
    if (before.ready !== state.ready || before.started !== state.started) {
      onChange();
    }
  };
  const { startup, liveness, readiness } = container;
  const later = (signal: AbortSignal) => {
    if (liveness) {
      scope.run(() =>
        repeat(liveness, {
          ...options,
          kind: "liveness",
          signal,
          onResult: (ok) => {
            if (!ok) options.onUnhealthy("liveness", graceOf(liveness));
            return ok;
          },
        })
      );
    }
    if (readiness) {
      scope.run(() =>
        repeat(readiness, {
          ...options,
          kind: "readiness",
          signal,
          onResult: (ok) => {
            set({ ready: ok });
            return true;
          },
        })
      );
    }
  };
  if (!startup || adopted) later(scope.signal);
  else {
    scope.run((signal) =>
      repeat(startup, {
        ...options,
        kind: "startup",
        signal,
        onResult: (ok) => {
          if (ok) {
            set({ started: true });
            later(signal);
          } else options.onUnhealthy("startup", graceOf(startup));
          return false;
        },
      })
    );
  }
  return {
    get ready() {
      return state.ready;
    },
    get started() {
      return state.started;
    },
    [Symbol.asyncDispose]: () => scope.close(),
  };
}

function graceOf(probe: Probe): number | undefined {
  return probe.terminationGraceSeconds === undefined
    ? undefined
    : Number(probe.terminationGraceSeconds);
}

interface RepeatOptions extends StartProbesOptions {
  kind: ProbeKind;
  signal: AbortSignal;
  /** Told when a threshold is reached; gives whether to go on. */
  onResult(ok: boolean): boolean;
}

/** Probes at the probe's pace until the signal or `onResult` ends it. */
async function repeat(probe: Probe, options: RepeatOptions): Promise<void> {
  const { clock, signal, adopted } = options;
  const periodMs = (probe.periodSeconds || DEFAULT_PERIOD_SECONDS) * 1_000;
  const needed = {
    true: probe.successThreshold || 1,
    false: probe.failureThreshold || 3,
  };
  let row = { ok: false, count: 0 };
  try {
    if (!adopted) {
      await clock.sleep(probe.initialDelaySeconds * 1_000, { signal });
    }
    for (;;) {
      const ok = await probeOnce(probe, options);
      row = row.ok === ok ? { ok, count: row.count + 1 } : { ok, count: 1 };
      if (row.count >= needed[`${ok}`] && !options.onResult(ok)) return;
      await clock.sleep(periodMs, { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function probeOnce(
  probe: Probe,
  options: RepeatOptions,
): Promise<boolean> {
  const { handler } = probe;
  if (!handler) return true;
  try {
    const result = await withDeadline(
      (signal) => options.run(handler, signal),
      {
        timeoutMs: (probe.timeoutSeconds || 1) * 1_000,
        action: `Cannot finish ${options.kind} probe`,
        signal: options.signal,
      },
    );
    if (result.ok) return true;
    options.onFailure(options.kind, result.message);
  } catch (error) {
    options.signal.throwIfAborted();
    options.onFailure(
      options.kind,
      error instanceof Error ? error.message : String(error),
    );
  }
  return false;
}
