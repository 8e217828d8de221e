// SPDX-License-Identifier: Apache-2.0
/** What one worker knows of its pod between two syncs. */
import {
  EVICTED,
  listHostNeeds,
  toForbiddenMessage,
} from "../../shared/admission/mod.ts";
import { AranyaError, defined, equalBytes } from "../../shared/base/mod.ts";
import type { RuntimePod } from "../runtime/mod.ts";
import {
  encodeMessage,
  type PodSpec,
  type PodStatus,
  PodStatusSchema,
} from "../../shared/wire/mod.ts";
import { ContainerHealth, type ContainerPod } from "./container_health.ts";
import type { PodEvent, WorkerContext } from "./context.ts";
import type { HandlerTarget } from "./lifecycle_handler.ts";
import type { Plan } from "./plan_builder.ts";
import {
  type ContainerInput,
  findRunning,
  listContainers,
  type PlanInput,
  type PodContainer,
  type PodGoal,
  type RunningActions,
  toStopByMs,
  type VolumesState,
} from "./plan_input.ts";
import { PodObservation } from "./pod_observation.ts";
import type { PodFailure, PodRecord } from "./pod_record.ts";
import { RecordKeeper } from "./record_keeper.ts";
import { toPodStatus, toTerminated } from "./pod_status.ts";

const FIRST_VOLUMES_RETRY_MS = 1_000;
const MAX_VOLUMES_RETRY_MS = 60_000;
const SANDBOX_RETRY_MS = 5_000;

/** Options of {@linkcode PodState}. */
export interface PodStateOptions {
  context: WorkerContext;
  record: PodRecord;
  /**
   * The operator named the pod for the first time since the agent started. Its first status is
   * published even while the engine is unavailable; that of an older pod waits for the engine.
   */
  isNew: boolean;
  /** Asks the worker for a sync. */
  enqueueSync(): void;
}

/**
 * The state of one pod: its durable record, what the engine holds of it, the health of its
 * containers, and the outcome of actions. It builds the planner's input and publishes statuses.
 */
export class PodState implements ContainerPod {
  readonly #context: WorkerContext;
  readonly #options: PodStateOptions;
  readonly #observation: PodObservation;
  readonly #health = new Map<string, ContainerHealth>();
  /** Engine ids of the instances of which a stop has begun. */
  readonly #stoppedIds = new Set<string>();
  readonly #keeper: RecordKeeper;
  #status: PodStatus | undefined;
  #heldStatus: PodStatus | undefined;
  #volumes: VolumesState = { kind: "pending" };
  #volumesFailureCount = 0;
  #isReleased = false;
  #sandboxRetryAtMs = 0;
  #isEnding = false;
  #stopByMs: number | undefined;

  constructor(options: PodStateOptions) {
    const { context, record } = options;
    this.#context = context;
    this.#options = options;
    this.#keeper = new RecordKeeper({ context, record });
    this.#observation = new PodObservation({
      context,
      podUid: record.spec.uid,
    });
    if (record.goal === "remove" || record.failure) this.#limitStopTime();
  }

  /** The durable record; replaced as a whole when it changes. */
  get record(): PodRecord {
    return this.#keeper.record;
  }

  /** The status that was published last. */
  get status(): PodStatus | undefined {
    return this.#status;
  }

  /** The status of the last plan, also while its publication is held back. */
  get latestStatus(): PodStatus | undefined {
    return this.#heldStatus ?? this.#status;
  }

  /** Whether the last plan was to end the pod. */
  get isEnding(): boolean {
    return this.#isEnding;
  }

  /** Whether the image of one of its containers is being pulled. */
  get isPulling(): boolean {
    return [...this.#health.values()].some(({ isPulling }) => isPulling);
  }

  /** Whether the pod has ended, and sandbox and volumes were given back. */
  get isReleased(): boolean {
    return this.#isReleased;
  }

  /** When to sync again for the state's own sake, on the monotonic clock; undefined for never. */
  get syncAtMs(): number | undefined {
    return this.#keeper.dueAtMs;
  }

  /** Whether a first status is to be published although the engine could not be read yet. */
  get needsInitialStatus(): boolean {
    return this.#status === undefined && this.#options.isNew;
  }

  /** Engine id of the sandbox; empty without one. */
  get sandboxId(): string {
    return this.#observation.sandbox.id;
  }

  /** Addresses of the pod: those of its sandbox, or the device's for hostNetwork. */
  get podIps(): readonly string[] {
    return this.record.spec.hostNetwork
      ? this.#context.host.addresses
      : this.#observation.podIps;
  }

  /** Returns a container of the spec by name. */
  findContainer(name: string): PodContainer | undefined {
    return listContainers(this.record.spec).find(({ spec }) =>
      spec.name === name
    );
  }

  /** Returns where the probes and hooks of an instance run. */
  toHandlerTarget(containerId: string): HandlerTarget {
    const { uid: podUid, hostNetwork } = this.record.spec;
    return {
      container: { kind: "container", containerId, podUid },
      podIp: this.podIps[0] ?? (hostNetwork ? "127.0.0.1" : undefined),
      mayNameHosts: this.#context.switches.hostNamespaces,
    };
  }

  /** Reports an Event of the pod. */
  reportEvent(event: Omit<PodEvent, "podUid">): void {
    const podUid = this.record.spec.uid;
    this.#context.reporter.onPodEvent({ ...event, podUid });
  }

  /** Reports the warning of a hook that has succeeded; does nothing without one. */
  reportHookWarning(container: string, message: string | undefined): void {
    if (message === undefined) return;
    const reason = "LifecycleHTTPFallback";
    this.reportEvent({ container, warning: true, reason, message });
  }

  // ---- Goal --------------------------------------------------------------------------------

  /**
   * Sets the desired spec; resolves once it is persisted.
   * @throws {AranyaError} code "conflict" when the pod is being removed
   */
  async apply(spec: PodSpec): Promise<void> {
    const { goal } = this.record;
    if (goal !== "run" && goal !== "unmanaged") {
      throw new AranyaError(
        "conflict",
        `Cannot apply pod "${spec.namespace}/${spec.name}": it is being removed`,
      );
    }
    await this.#keeper.replaceSpec(spec);
    // Preparing them again is cheap: unchanged volumes are not written.
    this.#volumes = { kind: "pending" };
    this.#volumesFailureCount = 0;
  }

  /**
   * Stops the pod within the shortest grace period of all calls; resolves once that is persisted,
   * or can't be.
   */
  async remove(graceSeconds: number): Promise<void> {
    const record = this.record;
    if (record.goal === "terminated" || record.goal === "purge") return;
    const saved = this.#keeper.update({
      goal: "remove",
      graceSeconds: record.goal === "remove"
        ? Math.min(record.graceSeconds, graceSeconds)
        : graceSeconds,
    });
    this.#limitStopTime();
    await saved;
  }

  /** Marks everything of the pod for removal; resolves once that is persisted, or can't be. */
  async purge(): Promise<void> {
    if (this.record.goal === "purge") return;
    await this.#keeper.update({ goal: "purge" });
  }

  /** Fails the pod as a whole and reports that; resolves once it is persisted, or can't be. */
  async fail(failure: PodFailure): Promise<void> {
    const { reason, message, isDisruption } = failure;
    const saved = this.#keeper.update({
      failure: { reason, message, ...defined({ isDisruption }) },
    });
    this.#limitStopTime();
    this.reportEvent({ container: "", warning: true, reason, message });
    await saved;
  }

  /** Moves the stop deadline forward when the grace period got shorter; never back. */
  #limitStopTime(): void {
    const { goal, graceSeconds, spec, failure } = this.record;
    // As with a kubelet, an eviction by the device itself has no grace period.
    const failureSeconds = failure?.reason === EVICTED
      ? 0
      : Number(spec.terminationGraceSeconds);
    const graceMs = 1_000 * (goal === "remove" ? graceSeconds : failureSeconds);
    const stopByMs = toStopByMs({ nowMs: this.#nowMs(), graceMs });
    this.#stopByMs = Math.min(this.#stopByMs ?? Infinity, stopByMs);
  }

  // ---- Outcome of actions ------------------------------------------------------------------

  /** Ends the back-off of failed volumes and of a failed sandbox. */
  retryFailures(): void {
    if (this.#volumes.kind === "failed") this.#volumes = { kind: "pending" };
    this.#sandboxRetryAtMs = 0;
  }

  /**
   * Records that the volumes of this spec are set up; ignored when another spec was applied since.
   */
  recordVolumesReady(spec: PodSpec): void {
    if (this.record.spec !== spec) return;
    this.#volumes = { kind: "ready" };
    this.#volumesFailureCount = 0;
  }

  /**
   * Records that a volume of this spec has no source; ignored when another spec was applied since.
   */
  recordVolumesBlocked(spec: PodSpec, message: string): void {
    if (this.record.spec === spec) {
      this.#volumes = { kind: "blocked", message };
    }
  }

  /** Records that the volumes could not be set up, and backs off. */
  recordVolumesFailure(message: string): void {
    const delayMs = FIRST_VOLUMES_RETRY_MS * 2 ** this.#volumesFailureCount++;
    this.#volumes = {
      kind: "failed",
      message,
      retryAtMs: this.#nowMs() + Math.min(MAX_VOLUMES_RETRY_MS, delayMs),
    };
  }

  /** Records that sandbox and volumes were given back. */
  recordRelease(): void {
    this.#isReleased = true;
  }

  /** Records that the sandbox could not be created. */
  recordSandboxFailure(): void {
    this.#sandboxRetryAtMs = this.#nowMs() + SANDBOX_RETRY_MS;
  }

  /** Returns the start failures and probe results of a container. */
  healthOf(name: string): ContainerHealth {
    let health = this.#health.get(name);
    if (!health) {
      health = new ContainerHealth({
        context: this.#context,
        name,
        pod: this,
        enqueueSync: this.#options.enqueueSync,
      });
      this.#health.set(name, health);
    }
    return health;
  }

  /** Records that the stop of an instance begins. Returns false when one has begun before. */
  beginStop(id: string): boolean {
    if (this.#stoppedIds.has(id)) return false;
    this.#stoppedIds.add(id);
    return true;
  }

  /** Drops what is kept of an instance that was removed from the engine. */
  async dropInstance(name: string, id: string): Promise<void> {
    this.#stoppedIds.delete(id);
    const attempt = this.#observation.dropInstance(id);
    if (attempt === undefined) return;
    await this.#context.volumes.removeMessageFile({
      podUid: this.record.spec.uid,
      container: name,
      attempt,
    });
  }

  // ---- Sync --------------------------------------------------------------------------------

  /** Replaces what is known of the engine; undefined when it holds nothing of the pod. */
  async observe(pod: RuntimePod | undefined): Promise<void> {
    await this.#observation.update(
      pod,
      (name) => this.findContainer(name)?.spec,
    );
  }

  /**
   * Starts the probes of instances that run now, and stops those of instances that don't. An
   * instance is probed when its start has ended.
   */
  syncProbes(starting: RunningActions["starting"]): void {
    for (const container of listContainers(this.record.spec)) {
      const { spec } = container;
      const running = findRunning(this.#toContainerInput(container));
      const isStarting = running?.attempt === starting.get(spec.name)?.attempt;
      this.healthOf(spec.name).syncProbes(
        spec,
        isStarting ? undefined : running,
      );
    }
  }

  /** Stops the liveness and startup probes of a pod that ends, as a kubelet does. */
  stopLivenessAndStartup(): void {
    for (const health of this.#health.values()) health.stopLivenessAndStartup();
  }

  /** Returns the planner's input. `running` are the actions that run. */
  toPlanInput(running: RunningActions): PlanInput {
    const { spec } = this.record;
    return {
      spec,
      goal: this.#toGoal(),
      nowMs: this.#nowMs(),
      deadlineAtMs: this.#keeper.deadlineAtMs,
      forbidden: toForbiddenMessage(spec, {
        needs: listHostNeeds(spec),
        switches: this.#context.switches,
      }),
      sandbox: this.#observation.sandbox,
      sandboxRetryAtMs: this.#sandboxRetryAtMs,
      volumes: this.#volumes,
      isReleased: this.#isReleased,
      containers: listContainers(spec).map((container) =>
        this.#toContainerInput(container)
      ),
      ...running,
    };
  }

  /**
   * Persists which containers have completed and whether the pod has, then publishes the status.
   */
  async recordPlan(planned: { input: PlanInput; plan: Plan }): Promise<void> {
    const status = this.#toStatus(planned);
    const completed = this.#toCompleted(planned);
    this.#isEnding = planned.plan.isEnding;
    if (this.#isEnding) this.#keeper.stopAging();
    if (status.terminated) {
      await this.#keeper.update({
        ...completed,
        goal: "terminated",
        lastStatus: status,
      });
    } else if (completed) await this.#keeper.update(completed);
    else await this.#keeper.writeIfDue();
    // The status follows within seconds, when it is known what is ready.
    if ([...this.#health.values()].some(({ isPending }) => isPending)) {
      this.#heldStatus = status;
    } else this.#publish(status);
  }

  /** Publishes the final status of a terminated pod. */
  publishLastStatus(): void {
    const { lastStatus } = this.record;
    if (lastStatus) this.#publish(lastStatus);
  }

  /** Publishes the status that follows from this plan, without persisting anything. */
  publishStatus(planned: { input: PlanInput; plan: Plan }): void {
    this.#publish(this.#toStatus(planned));
  }

  /** Stops all probes, and persists the age of a pod with an active deadline. */
  async close(): Promise<void> {
    for (const health of this.#health.values()) await health.close();
    await this.#keeper.close();
  }

  #toGoal(): PodGoal {
    const { goal, failure } = this.record;
    const stopByMs = this.#stopByMs ?? 0;
    if (goal === "remove") return { kind: "remove", stopByMs };
    if (goal === "purge" || goal === "unmanaged") return { kind: goal };
    return failure ? { kind: "fail", stopByMs } : { kind: "run" };
  }

  #toContainerInput({ spec, role }: PodContainer): ContainerInput {
    const { name } = spec;
    const health = this.#health.get(name);
    const container: ContainerInput = {
      spec,
      role,
      instances: this.#observation.listInstances(name),
      startFailure: health?.startFailure,
      completedExitCode: this.record.completed.get(name)?.exitCode,
      started: false,
      unhealthy: health?.unhealthy,
      replacedId: health?.replacedId,
    };
    container.started = health?.isStarted(findRunning(container)?.id) ?? false;
    return container;
  }

  #toStatus({ input, plan }: { input: PlanInput; plan: Plan }): PodStatus {
    const ready = [...this.#health].filter(([_name, health]) => health.ready);
    return toPodStatus({
      input,
      plan,
      record: this.record,
      podIps: this.#observation.podIps,
      hostIps: this.#context.host.addresses,
      ready: new Set(ready.map(([name]) => name)),
      terminationMessages: this.#observation.terminationMessages,
    });
  }

  /** Returns the record's containers that have completed; undefined when there are no new ones. */
  #toCompleted(
    { input, plan }: { input: PlanInput; plan: Plan },
  ): Pick<PodRecord, "completed" | "restartCounts"> | undefined {
    if (!plan.terminated || input.goal.kind === "purge") return undefined;
    const completed = new Map(this.record.completed);
    const restartCounts = new Map(this.record.restartCounts);
    const messages = this.#observation.terminationMessages;
    for (const { spec: { name }, instances: [newest] } of input.containers) {
      if (newest?.state !== "exited") continue;
      completed.set(name, toTerminated(newest, messages.get(newest.id) ?? ""));
      restartCounts.set(name, newest.attempt);
    }
    return completed.size === this.record.completed.size
      ? undefined
      : { completed, restartCounts };
  }

  #publish(status: PodStatus): void {
    this.#heldStatus = undefined;
    if (this.#status && isSameStatus(this.#status, status)) return;
    this.#status = status;
    this.#context.registry.publishStatus(status);
  }

  #nowMs(): number {
    return this.#context.clock.monotonicMs();
  }
}

/** Compares two statuses apart from their version. */
function isSameStatus(left: PodStatus, right: PodStatus): boolean {
  const encode = (status: PodStatus) =>
    encodeMessage(PodStatusSchema, { ...status, version: 0n });
  return equalBytes(encode(left), encode(right));
}
