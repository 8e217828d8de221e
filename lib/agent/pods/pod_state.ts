// SPDX-License-Identifier: Apache-2.0
/** What one pod's worker knows between two looks: the durable record, failures and their next tries, probes, messages of the dead. */
import { AranyaError, equalBytes } from "../../shared/base/mod.ts";
import type { RuntimeContainer, RuntimePod } from "../runtime/mod.ts";
import {
  type Container,
  encodeMessage,
  type PodSpec,
  type PodStatus,
  PodStatusSchema,
} from "../../shared/wire/mod.ts";
import { planPod } from "./plan.ts";
import { ContainerMemory, readTermination } from "./container_state.ts";
import {
  type ContainerView,
  type Goal,
  livingOf,
  MIN_GRACE_MS,
  type Plan,
  type PodView,
  toInstances,
  type VolumesState,
} from "./plan_input.ts";
import type { StartRefusal } from "./start.ts";
import { type PodRecord, toPodStatus, toTerminated } from "./record.ts";
import type { PodEvent, WorkerSurroundings } from "./context.ts";

const FIRST_VOLUMES_RETRY_MS = 1_000;
const MAX_VOLUMES_RETRY_MS = 60_000;
const SANDBOX_RETRY_MS = 5_000;

/** See the file's head. */
export class PodMemory {
  record: PodRecord;
  /** The last published. */
  status: PodStatus | undefined;
  readonly #around: WorkerSurroundings;
  readonly #wake: () => void;
  readonly #containers = new Map<string, ContainerMemory>();
  readonly #deadSinceMs = new Map<string, number>();
  readonly #messages = new Map<string, string>();
  readonly #firstSeenMs: number;
  #pod: RuntimePod | undefined;
  #volumes: VolumesState = { kind: "pending" };
  #volumesFailures = 0;
  #sandboxRetryAtMs = 0;
  #stopByMs: number | undefined;
  readonly #isNew: boolean;

  constructor(
    around: WorkerSurroundings,
    options: { record: PodRecord; isNew: boolean; wake: () => void },
  ) {
    this.#around = around;
    this.record = options.record;
    this.#isNew = options.isNew;
    this.#wake = options.wake;
    const { clock } = around;
    // The pod's age on the monotonic clock; a wall clock that was set meanwhile makes it neither negative nor endless.
    const ageMs = Math.max(0, clock.wallMs() - options.record.firstSeenUnixMs);
    this.#firstSeenMs = clock.monotonicMs() - ageMs;
    if (this.record.goal === "remove" || this.record.failure) this.#limit();
  }

  // ------------------------------------------------------------------------------------------------------------ wishes

  async apply(spec: PodSpec): Promise<void> {
    const { record } = this;
    if (record.goal !== "run" && record.goal !== "leave") {
      throw new AranyaError(
        "conflict",
        `Cannot apply pod "${spec.namespace}/${spec.name}": it is being removed`,
      );
    }
    await this.#keep({ ...record, spec, goal: "run" });
    // Their content is compared before anything is written: an unchanged volume costs nothing.
    this.#volumes = { kind: "pending" };
    this.#volumesFailures = 0;
  }

  async remove(graceSeconds: number): Promise<void> {
    const { record } = this;
    if (record.goal === "gone" || record.goal === "forget") return;
    const grace = record.goal === "remove"
      ? Math.min(record.graceSeconds, graceSeconds)
      : graceSeconds;
    await this.#keep({ ...record, goal: "remove", graceSeconds: grace });
    this.#limit();
  }

  async forget(): Promise<void> {
    if (this.record.goal === "forget") return;
    await this.#keep({ ...this.record, goal: "forget" });
  }

  async fail(failure: { reason: string; message: string }): Promise<void> {
    const { reason, message } = failure;
    await this.#keep({ ...this.record, failure: { reason, message } });
    this.#limit();
    this.event({ container: "", warning: true, reason, message });
  }

  async #keep(record: PodRecord): Promise<void> {
    await this.#around.keep(record);
    this.record = record;
  }

  /** Draws the end of what lives as near as the grace says. */
  #limit(): void {
    const { record } = this;
    const graceMs = 1_000 *
      (record.goal === "remove"
        ? record.graceSeconds
        : Number(record.spec.terminationGraceSeconds));
    const byMs = this.#nowMs() + Math.max(MIN_GRACE_MS, graceMs);
    this.#stopByMs = Math.min(this.#stopByMs ?? Infinity, byMs);
  }

  retry(): void {
    if (this.#volumes.kind === "failed") this.#volumes = { kind: "pending" };
    this.#sandboxRetryAtMs = 0;
  }

  // ------------------------------------------------------------------------------------------------ outcome of actions

  volumesReady(spec: PodSpec): void {
    // Another spec may have come meanwhile.
    if (this.record.spec !== spec) return;
    this.#volumes = { kind: "ready" };
    this.#volumesFailures = 0;
  }

  volumesFailed(message: string): void {
    const delayMs = FIRST_VOLUMES_RETRY_MS * 2 ** this.#volumesFailures++;
    this.#volumes = {
      kind: "failed",
      message,
      retryAtMs: this.#nowMs() + Math.min(MAX_VOLUMES_RETRY_MS, delayMs),
    };
  }

  sandboxFailed(): void {
    this.#sandboxRetryAtMs = this.#nowMs() + SANDBOX_RETRY_MS;
  }

  startFailed(name: string, failure: StartRefusal & { attempt: number }): void {
    this.#memoryOf(name).startFailed(failure);
  }

  startSucceeded(name: string, id: string): void {
    this.#memoryOf(name).startSucceeded(id);
  }

  /** Has this instance ended and replaced. */
  giveUpInstance(name: string, id: string): void {
    this.#memoryOf(name).giveUp(id, { what: "postStart hook" });
  }

  async dropInstance(name: string, id: string): Promise<void> {
    const attempt = this.#pod?.containers.find((one) => one.id === id)?.attempt;
    this.#messages.delete(id);
    this.#deadSinceMs.delete(id);
    if (attempt === undefined) return;
    await this.#around.volumes.removeMessageFile({
      podUid: this.record.spec.uid,
      container: name,
      attempt,
    });
  }

  // ------------------------------------------------------------------------------------------------------------ facts

  get sandboxId(): string {
    return this.#pod?.sandbox?.id ?? "";
  }

  podIps(): readonly string[] {
    return this.record.spec.hostNetwork
      ? this.#around.hostIps()
      : this.#pod?.sandbox?.podIps ?? [];
  }

  containerOf(name: string): Container | undefined {
    return this.#specs().find(({ spec }) => spec.name === name)?.spec;
  }

  roleOf(name: string): ContainerView["role"] | undefined {
    return this.#specs().find(({ spec }) => spec.name === name)?.role;
  }

  /** Tells the cluster; without `container` it is about the pod as a whole. */
  event(event: Omit<PodEvent, "podUid">): void {
    this.#around.onEvent({ ...event, podUid: this.record.spec.uid });
  }

  /** Takes in what the engine holds now. */
  async see(pod: RuntimePod | undefined): Promise<void> {
    this.#pod = pod;
    for (const container of pod?.containers ?? []) {
      if (container.state !== "exited") continue;
      if (!this.#messages.has(container.id)) {
        this.#messages.set(
          container.id,
          await readTermination(container, {
            around: this.#around,
            podUid: this.record.spec.uid,
            fallback: this.containerOf(container.name)
              ?.terminationMessageFallbackToLogs ?? false,
          }),
        );
      }
    }
  }

  view(
    running: Pick<PodView, "busy" | "stopping">,
  ): PodView {
    const { spec } = this.record;
    const sandbox = this.#pod?.sandbox;
    return {
      spec,
      goal: this.#goal(),
      nowMs: this.#nowMs(),
      deadlineAtMs: spec.activeDeadlineSeconds > 0n
        ? this.#firstSeenMs + Number(spec.activeDeadlineSeconds) * 1_000
        : undefined,
      sandbox: {
        kind: sandbox ? sandbox.running ? "ready" : "dead" : "absent",
        id: sandbox?.id ?? "",
      },
      sandboxRetryAtMs: this.#sandboxRetryAtMs,
      volumes: this.#volumes,
      containers: this.#specs().map((one) => this.#containerView(one)),
      ...running,
    };
  }

  #goal(): Goal {
    const { goal, failure } = this.record;
    const stopByMs = this.#stopByMs ?? 0;
    if (goal === "remove") return { kind: "remove", stopByMs };
    if (goal === "forget" || goal === "leave") return { kind: goal };
    return failure ? { kind: "fail", stopByMs } : { kind: "run" };
  }

  #specs(): { spec: Container; role: ContainerView["role"] }[] {
    const { initContainers, containers } = this.record.spec;
    return [
      ...initContainers.map((spec) => ({
        spec,
        role: spec.restartAlways ? "sidecar" as const : "init" as const,
      })),
      ...containers.map((spec) => ({ spec, role: "app" as const })),
    ];
  }

  #containerView(
    { spec, role }: { spec: Container; role: ContainerView["role"] },
  ): ContainerView {
    const memory = this.#memoryOf(spec.name);
    const view: ContainerView = {
      spec,
      role,
      instances: toInstances(this.#pod, {
        name: spec.name,
        seenDeadMs: (container) => this.#seenDeadMs(container),
      }),
      startFailure: memory.failure,
      settledExitCode: this.record.settled.get(spec.name)?.exitCode,
      started: false,
      unhealthy: memory.unhealthy,
    };
    memory.probe(spec, livingOf(view)?.id);
    view.started = memory.started;
    return view;
  }

  /** On the monotonic clock, from the engine's wall time when that is believable. */
  #seenDeadMs(container: RuntimeContainer): number {
    const known = this.#deadSinceMs.get(container.id);
    if (known !== undefined) return known;
    // What could not be started has no time of its end.
    const agoMs = container.finishedUnixMs > 0
      ? this.#around.clock.wallMs() - container.finishedUnixMs
      : 0;
    const sinceMs = this.#nowMs() - Math.max(0, agoMs);
    this.#deadSinceMs.set(container.id, sinceMs);
    return sinceMs;
  }

  // ----------------------------------------------------------------------------------------------------------- results

  /** Keeps what has ended for good and says what is true now. */
  async note({ view, plan }: { view: PodView; plan: Plan }): Promise<void> {
    const { record } = this;
    const status = this.#toStatus({ view, plan });
    const settled = this.#settled(view, plan);
    if (status.terminated) {
      await this.#keep({
        ...record,
        ...settled,
        goal: "gone",
        lastStatus: status,
      });
    } else if (settled) await this.#keep({ ...record, ...settled });
    this.#publish(status);
  }

  #toStatus({ view, plan }: { view: PodView; plan: Plan }): PodStatus {
    return toPodStatus({
      view,
      plan,
      record: this.record,
      podIps: this.#pod?.sandbox?.podIps ?? [],
      hostIps: this.#around.hostIps(),
      ready: this.#ready(),
      messages: this.#messages,
    });
  }

  /** Newly settled containers; undefined when there are none. */
  #settled(
    view: PodView,
    plan: Plan,
  ): Pick<PodRecord, "settled" | "restarts"> | undefined {
    const { record } = this;
    if (!plan.ended || view.goal.kind === "forget") return undefined;
    const settled = new Map(record.settled);
    const restarts = new Map(record.restarts);
    for (const container of view.containers) {
      const [newest] = container.instances;
      if (newest?.state !== "exited") continue;
      const { name } = container.spec;
      settled.set(
        name,
        toTerminated(newest, this.#messages.get(newest.id) ?? ""),
      );
      restarts.set(name, newest.attempt);
    }
    return settled.size === record.settled.size
      ? undefined
      : { settled, restarts };
  }

  #ready(): Set<string> {
    return new Set(
      [...this.#containers].filter(([_name, memory]) => memory.ready).map((
        [name],
      ) => name),
    );
  }

  publishGone(): void {
    if (this.record.lastStatus) this.#publish(this.record.lastStatus);
  }

  /** Says something about a pod that is new while the engine can't be asked. */
  publishUnseen(): void {
    if (this.status || !this.#isNew) return;
    const view = this.view({ busy: new Set(), stopping: new Map() });
    this.#publish(this.#toStatus({ view, plan: planPod(view) }));
  }

  #publish(status: PodStatus): void {
    if (this.status && sameBut(this.status, status)) return;
    this.status = status;
    this.#around.onStatus(status);
  }

  async close(): Promise<void> {
    for (const memory of this.#containers.values()) {
      await memory.close();
    }
  }

  #memoryOf(name: string): ContainerMemory {
    let memory = this.#containers.get(name);
    if (!memory) {
      memory = new ContainerMemory({
        around: this.#around,
        name,
        pod: this,
        wake: this.#wake,
      });
      this.#containers.set(name, memory);
    }
    return memory;
  }

  #nowMs(): number {
    return this.#around.clock.monotonicMs();
  }
}

/** Equal but for the version. */
function sameBut(left: PodStatus, right: PodStatus): boolean {
  const bytes = (status: PodStatus) =>
    encodeMessage(PodStatusSchema, { ...status, version: 0n });
  return equalBytes(bytes(left), bytes(right));
}
