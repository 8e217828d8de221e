// SPDX-License-Identifier: Apache-2.0
/** Failed starts and probe results of one container. */
import { defined, equalBytes } from "../../shared/base/mod.ts";
import {
  type Container,
  ContainerSchema,
  create,
  encodeMessage,
} from "../../shared/wire/mod.ts";
import type { PodEvent, WorkerContext } from "./context.ts";
import { type HandlerTarget, runHandler } from "./lifecycle_handler.ts";
import type {
  ContainerInstance,
  FailedCheck,
  RunningStart,
  StartFailure,
  UnhealthyInstance,
} from "./plan_input.ts";
import type { PodRecord } from "./pod_record.ts";
import { ContainerProbes, type ProbeTarget } from "./probes.ts";
import type { StartContainerFailure } from "./start_container.ts";

/** Back-off of failed starts, as a kubelet has it for image pulls. */
const FIRST_RETRY_MS = 10_000;
const MAX_RETRY_MS = 300_000;
/** Pause after a start that failed because the engine is unavailable; it does not back off. */
const ENGINE_RETRY_MS = 2_000;

/** The pod that a container belongs to, as far as its health needs it. */
export interface ContainerPod {
  readonly record: PodRecord;
  /** Returns where handlers of an instance run. */
  toHandlerTarget(containerId: string): HandlerTarget;
  /** Reports an Event of the pod. */
  reportEvent(event: Omit<PodEvent, "podUid">): void;
}

/** Options of {@linkcode ContainerHealth}. */
export interface ContainerHealthOptions {
  context: Pick<WorkerContext, "clock" | "runtime">;
  /** Name of the container in the pod. */
  name: string;
  pod: ContainerPod;
  /** Asks the worker for a sync. */
  enqueueSync(): void;
}

/**
 * Keeps why a container could not be started, and probes its running instance. Lives as long as the
 * worker; nothing in it is persisted.
 */
export class ContainerHealth {
  readonly #options: ContainerHealthOptions;
  #startFailure: StartFailure | undefined;
  #unhealthy: UnhealthyInstance | undefined;
  #replacedId: string | undefined;
  #failureCount = 0;
  #isPulling = false;
  /** The instance that this agent has started last. */
  #started: { id: string; atMs: number } | undefined;
  #probes:
    | { id: string; container: Container; value: ContainerProbes }
    | undefined;

  constructor(options: ContainerHealthOptions) {
    this.#options = options;
  }

  /** Whether its image is looked for or pulled, for a start that has not ended. */
  get isPulling(): boolean {
    return this.#isPulling;
  }

  /** Why the last start failed; undefined since it succeeded. */
  get startFailure(): StartFailure | undefined {
    return this.#startFailure;
  }

  /** The instance that was marked last; it may have been replaced since. */
  get unhealthy(): UnhealthyInstance | undefined {
    return this.#unhealthy;
  }

  /** Engine id of the instance that was stopped last to be replaced. */
  get replacedId(): string | undefined {
    return this.#replacedId;
  }

  /** Whether the instance that is probed passes its readiness probe; false when none is probed. */
  get ready(): boolean {
    return this.#probes?.value.ready ?? false;
  }

  /** Whether it is going to be known soon whether the instance is started and ready. */
  get isPending(): boolean {
    return this.#probes?.value.isPending ?? false;
  }

  /** Returns whether this instance is probed and has passed its startup probe. */
  isStarted(id: string | undefined): boolean {
    return this.#probes !== undefined && this.#probes.id === id &&
      this.#probes.value.started;
  }

  /** Records that the pull for a start begins, or has ended. */
  recordPull(state: "started" | "ended"): void {
    this.#isPulling = state === "started";
  }

  /** Records a failed start and when to try again. Another image begins with the first delay. */
  recordStartFailure(
    failure: StartContainerFailure,
    { attempt, image }: RunningStart,
  ): void {
    const { reason, message, engineUnavailable } = failure;
    if (this.#startFailure?.image !== image) this.#failureCount = 0;
    const delayMs = engineUnavailable
      ? ENGINE_RETRY_MS
      : Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failureCount++);
    const nowMs = this.#options.context.clock.monotonicMs();
    this.#startFailure = {
      attempt,
      image,
      reason,
      message,
      failedAtMs: nowMs,
      retryAtMs: nowMs + delayMs,
    };
  }

  /** Records that this instance was started, which resets the back-off of failed starts. */
  recordStart(id: string): void {
    this.#startFailure = undefined;
    this.#failureCount = 0;
    const atMs = this.#options.context.clock.monotonicMs();
    this.#started = { id, atMs };
  }

  /** Records that this instance is stopped to be replaced by another one. */
  markReplaced(id: string): void {
    this.#replacedId = id;
  }

  /**
   * Marks an instance to be stopped.
   * @param cause what failed, and the grace period of the stop; without one the pod's counts
   */
  markUnhealthy(
    id: string,
    cause: { failedCheck: FailedCheck; graceSeconds?: number | undefined },
  ): void {
    const { pod, enqueueSync } = this.#options;
    const graceSeconds = cause.graceSeconds ??
      Number(pod.record.spec.terminationGraceSeconds);
    this.#unhealthy = {
      id,
      graceMs: graceSeconds * 1_000,
      failedCheck: cause.failedCheck,
    };
    enqueueSync();
  }

  /**
   * Probes this instance and stops the probes of any other one; undefined stops all.
   * Does nothing when the instance is probed already, with the same probes: those of a pod without
   * a record are not known before its spec is applied.
   */
  syncProbes(
    container: Container,
    instance: ContainerInstance | undefined,
  ): void {
    const former = this.#probes;
    const isProbed = former !== undefined && former.id === instance?.id &&
      haveSameProbes(former.container, container);
    if (isProbed) return;
    void former?.value[Symbol.asyncDispose]();
    this.#probes = undefined;
    if (!instance) return;
    const { id } = instance;
    const isOwn = this.#started?.id === id && former?.id !== id;
    const value = new ContainerProbes({
      container,
      target: this.#toProbeTarget(id),
      clock: this.#options.context.clock,
      startedAtMs: this.#toStartedAtMs(instance),
      adopted: !isOwn,
    });
    this.#probes = { id, container, value };
    value.start();
  }

  /** Stops the liveness and startup probes, because the pod ends. */
  stopLivenessAndStartup(): void {
    this.#probes?.value.stopLivenessAndStartup();
  }

  /** Stops the probes. */
  async close(): Promise<void> {
    await this.#probes?.value[Symbol.asyncDispose]();
  }

  /** A start by an earlier agent is known by the wall clock only, which may have been set since. */
  #toStartedAtMs({ id, raw }: ContainerInstance): number {
    if (this.#started?.id === id) return this.#started.atMs;
    const { clock } = this.#options.context;
    const ageMs = Math.max(0, clock.wallMs() - raw.startedUnixMs);
    return clock.monotonicMs() - ageMs;
  }

  #toProbeTarget(id: string): ProbeTarget {
    const { context, name, pod, enqueueSync } = this.#options;
    return {
      runHandler: (handler, signal) =>
        runHandler(handler, {
          purpose: "probe",
          target: pod.toHandlerTarget(id),
          streams: context.runtime,
          clock: context.clock,
          signal,
        }),
      onProbeStateChanged: enqueueSync,
      onUnhealthy: (kind, { graceSeconds }) =>
        this.markUnhealthy(id, { failedCheck: `${kind} probe`, graceSeconds }),
      onProbeFailed: (kind, message) =>
        pod.reportEvent({
          container: name,
          warning: true,
          reason: "Unhealthy",
          message: `${capitalize(kind)} probe failed: ${message}`,
        }),
      onProbeWarning: (kind, message) =>
        pod.reportEvent({
          container: name,
          warning: true,
          reason: "ProbeWarning",
          message: `${capitalize(kind)} probe warning: ${message}`,
        }),
    };
  }
}

/** Returns whether both specs of a container have the same probes. */
function haveSameProbes(left: Container, right: Container): boolean {
  if (left === right) return true;
  const encode = ({ startup, liveness, readiness }: Container) =>
    encodeMessage(
      ContainerSchema,
      create(ContainerSchema, defined({ startup, liveness, readiness })),
    );
  return equalBytes(encode(left), encode(right));
}

function capitalize(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
