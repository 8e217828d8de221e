// SPDX-License-Identifier: Apache-2.0
/** Runs one pod. */
import {
  asAranyaError,
  hasCode,
  type Logger,
  Notifier,
  waitAtMost,
} from "../../shared/base/mod.ts";
import { EVICTED, isCritical } from "../../shared/admission/mod.ts";
import type { PodSpec, PodStatus } from "../../shared/wire/mod.ts";
import { DISK_USAGE_INTERVAL_MS, listLimitedVolumes } from "../volumes/mod.ts";
import { ClockTimer } from "./clock_timer.ts";
import type { WorkerContext } from "./context.ts";
import { executeAction, type RunningAction } from "./execute.ts";
import { planPod } from "./plan.ts";
import { type Action, actionKey } from "./plan_builder.ts";
import type {
  RunningActions,
  RunningStart,
  RunningStop,
} from "./plan_input.ts";
import type { PodFailure, PodRecord } from "./pod_record.ts";
import { PodState } from "./pod_state.ts";

const SYNC_RETRY_MS = 5_000;
/** How long a worker that is closed waits for the engine. The next agent finds what is left. */
const CLOSE_TIMEOUT_MS = 3_000;
/** Actions that make no sense for a pod that ends. */
const START_ACTIONS: readonly Action["kind"][] = [
  "start",
  "prepareVolumes",
  "ensureSandbox",
];

/** Why a pod is evicted. */
export interface PodEviction {
  /** As a kubelet words it. */
  message: string;
  /** Whether it has to end for the sake of the device. */
  isDisruption?: true;
}

/** Options of {@linkcode PodWorker}. */
export interface PodWorkerOptions {
  record: PodRecord;
  /** The operator named the pod for the first time since the agent started. */
  isNew: boolean;
}

/**
 * The worker of one pod. A sync compares what is desired with what the engine holds, lets the
 * planner decide, and starts the planned actions. Each action runs on its own, so that the slow
 * pull of one container does not block the others. Syncs are level-based: an event, the end of an
 * action or a timer only enqueues a sync, and the sync reads everything again.
 */
export class PodWorker implements AsyncDisposable {
  readonly #context: WorkerContext;
  readonly #state: PodState;
  readonly #log: Logger;
  readonly #running = new Map<string, RunningAction>();
  readonly #closing = new AbortController();
  readonly #notifier = new Notifier();
  readonly #timer: ClockTimer;
  readonly #loops: Promise<void>[] = [];
  #watchesDiskUsage = false;

  constructor(context: WorkerContext, { record, isNew }: PodWorkerOptions) {
    const { namespace, name } = record.spec;
    this.#context = context;
    this.#timer = new ClockTimer(context.clock, () => this.enqueueSync());
    this.#log = context.log.with({ pod: `${namespace}/${name}` });
    this.#state = new PodState({
      context,
      record,
      isNew,
      enqueueSync: () => this.enqueueSync(),
    });
  }

  /** The durable record of the pod. */
  get record(): PodRecord {
    return this.#state.record;
  }

  /** The status that was published last. */
  get status(): PodStatus | undefined {
    return this.#state.status;
  }

  /** The status of the last sync, which may not be published yet. */
  get latestStatus(): PodStatus | undefined {
    return this.#state.latestStatus;
  }

  /** Whether the pod should run and is not being stopped. */
  get isActive(): boolean {
    const { goal, failure } = this.record;
    return goal === "run" && !failure && !this.#state.isEnding;
  }

  /** Whether the pod has ended, and its sandbox and volumes were given back. */
  get isReleased(): boolean {
    return this.#state.isReleased;
  }

  /** Names of the containers that run. */
  get runningContainers(): string[] {
    const { initContainers = [], containers = [] } = this.latestStatus ?? {};
    return [...initContainers, ...containers].flatMap(({ name, state }) =>
      state?.state.case === "running" ? [name] : []
    );
  }

  /** Whether an image is being pulled for it, and none of its containers runs. */
  get isPulling(): boolean {
    return this.#state.isPulling && this.runningContainers.length === 0;
  }

  /** Whether the pod was evicted, and has not given back its sandbox and volumes yet. */
  get isEvictedAndHeld(): boolean {
    const { goal, failure } = this.record;
    const mayHold = goal === "run" || goal === "remove";
    return mayHold && failure?.reason === EVICTED && !this.isReleased;
  }

  /** Starts the worker and enqueues its first sync. Call it once. */
  start(): void {
    this.#loops.push(this.#syncWhenNotified(this.#closing.signal));
    this.#startDiskWatch();
    this.enqueueSync();
  }

  /**
   * Sets the desired spec; resolves once it is persisted.
   * @throws {AranyaError} code "conflict" when the pod is being removed
   */
  async apply(spec: PodSpec): Promise<void> {
    await this.#state.apply(spec);
    this.#startDiskWatch();
    this.enqueueSync();
  }

  /**
   * Stops the pod within the shortest grace period of all calls; resolves once that is persisted,
   * or can't be.
   */
  async remove(graceSeconds: number): Promise<void> {
    await this.#state.remove(graceSeconds);
    this.#abortStarts();
    this.enqueueSync();
  }

  /** Removes everything of the pod; resolves once the intent is persisted, or can't be. */
  async purge(): Promise<void> {
    await this.#state.purge();
    this.#abortStarts();
    this.enqueueSync();
  }

  /** Fails the pod as a whole; resolves once that is persisted, or can't be. */
  async fail(failure: PodFailure): Promise<void> {
    await this.#state.fail(failure);
    this.#abortStarts();
    this.enqueueSync();
  }

  /**
   * Fails the pod without its grace period, unless it is critical; resolves once that is persisted,
   * or can't be. Every eviction ends here.
   */
  async evict(eviction: PodEviction): Promise<void> {
    if (isCritical(this.record.spec)) return;
    const { message } = eviction;
    this.#log.warn("pod is evicted", { reason: message });
    await this.fail({ reason: EVICTED, ...eviction });
  }

  /** Asks for a sync; calls that come before it starts share one. */
  enqueueSync(): void {
    if (!this.#closing.signal.aborted) this.#notifier.notify();
  }

  /** Ends the back-off of failures that may have passed, e.g. since the link is back. */
  retryFailures(): void {
    this.#state.retryFailures();
    this.enqueueSync();
  }

  /**
   * Stops the worker and aborts its actions; containers are left running. Waits a few seconds for
   * what the engine has begun.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(
      new DOMException("the agent is stopping", "AbortError"),
    );
    this.#timer.set(undefined);
    for (const running of this.#running.values()) running.abort();
    await Promise.allSettled(this.#loops);
    await this.#waitForActions();
    await this.#state.close();
  }

  async #waitForActions(): Promise<void> {
    const actions = [...this.#running.values()].map(({ done }) => done);
    await waitAtMost(Promise.allSettled(actions), {
      timeoutMs: CLOSE_TIMEOUT_MS,
      clock: this.#context.clock,
    });
  }

  async #syncWhenNotified(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#notifier.wait(signal);
      } catch {
        return;
      }
      // Changes that were made together are seen together.
      await Promise.resolve();
      await this.#syncOrRetry();
    }
  }

  async #syncOrRetry(): Promise<void> {
    try {
      await this.#sync();
    } catch (error) {
      // Not logged: the facts of the device report that the engine is unavailable.
      if (!hasCode(error, "unavailable")) {
        this.#log.warn("sync of a pod failed, will retry", {
          error: asAranyaError(error, "Cannot sync pod"),
        });
      }
      this.#publishInitialStatus();
      this.#setTimer(this.#context.clock.monotonicMs() + SYNC_RETRY_MS);
    }
  }

  async #sync(): Promise<void> {
    const { record } = this.#state;
    if (record.goal === "terminated") return this.#state.publishLastStatus();
    if (!this.#context.registry.mayRun(record)) {
      return this.#publishInitialStatus();
    }
    // Before the engine is read: the listing may lack what an action that ends meanwhile has made.
    const running = this.#listRunning();
    const pod = await this.#context.engine.findPod(record.spec.uid);
    if (this.#closing.signal.aborted) return;
    await this.#state.observe(pod);
    this.#state.syncProbes(running.starting);
    const input = this.#state.toPlanInput(running);
    const plan = planPod(input);
    for (const key of plan.aborts) this.#running.get(key)?.abort();
    if (plan.isEnding) this.#state.stopLivenessAndStartup();
    await this.#state.recordPlan({ input, plan });
    for (const action of plan.actions) this.#execute(action);
    this.#setTimer(
      Math.min(plan.syncAtMs ?? Infinity, this.#state.syncAtMs ?? Infinity),
    );
    // A goal that changed meanwhile, e.g. to "terminated", has work of its own.
    if (this.#state.record.goal !== record.goal) this.enqueueSync();
  }

  /**
   * Publishes a first status of a new pod while the engine can't be read or the pod may not run.
   */
  #publishInitialStatus(): void {
    if (!this.#state.needsInitialStatus) return;
    const input = this.#state.toPlanInput(this.#listRunning());
    this.#state.publishStatus({ input, plan: planPod(input) });
  }

  #execute(action: Action): void {
    const key = actionKey(action);
    const running = this.#running.get(key);
    if (running) {
      if (action.kind === "stop") running.update?.(action);
      return;
    }
    const started = executeAction(action, {
      context: this.#context,
      state: this.#state,
      log: this.#log,
    });
    this.#running.set(key, started);
    void started.done.finally(() => {
      this.#running.delete(key);
      // Before the next sync, for which the engine must be read.
      if (this.#state.record.failure) this.#abortStarts();
      this.enqueueSync();
    });
  }

  #listRunning(): RunningActions {
    const starting = new Map<string, RunningStart>();
    const stopping = new Map<string, RunningStop>();
    for (const { action } of this.#running.values()) {
      if (action.kind === "start") starting.set(action.name, action);
      if (action.kind === "stop") stopping.set(action.name, action);
    }
    return { busy: new Set(this.#running.keys()), starting, stopping };
  }

  #abortStarts(): void {
    for (const running of this.#running.values()) {
      if (START_ACTIONS.includes(running.action.kind)) running.abort();
    }
  }

  /** Replaces the timer of the next sync; Infinity sets none. */
  #setTimer(syncAtMs: number): void {
    if (this.#closing.signal.aborted) return;
    this.#timer.set(Number.isFinite(syncAtMs) ? syncAtMs : undefined);
  }

  /** Starts to measure the volumes, unless that runs or no volume has a limit. */
  #startDiskWatch(): void {
    const { signal } = this.#closing;
    const isNeeded = listLimitedVolumes(this.record.spec).length > 0;
    if (!isNeeded || this.#watchesDiskUsage || signal.aborted) return;
    this.#watchesDiskUsage = true;
    this.#loops.push(this.#watchDiskUsage(signal));
  }

  /** Evicts the pod once an emptyDir has grown over its limit, unless it ends before. */
  async #watchDiskUsage(signal: AbortSignal): Promise<void> {
    const { clock, volumes } = this.#context;
    let walkMs = 0;
    while (this.isActive) {
      try {
        // A walk through many files takes no more than a twentieth of the time.
        const pauseMs = Math.max(DISK_USAGE_INTERVAL_MS, walkMs * 20);
        await clock.sleep(pauseMs, { signal });
        const startMs = clock.monotonicMs();
        const message = await volumes.findExceededLimit(
          this.record.spec,
          signal,
        );
        walkMs = clock.monotonicMs() - startMs;
        if (message === undefined || !this.isActive) continue;
        await this.evict({ message });
      } catch (error) {
        if (signal.aborted) return;
        this.#log.warn("disk usage of volumes can't be measured", { error });
      }
    }
  }
}
