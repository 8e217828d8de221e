// SPDX-License-Identifier: Apache-2.0
/** Decides which containers of one pod to start, restart, stop and remove. */
import {
  type Container,
  type PodSpec,
  RestartPolicy,
} from "../../shared/wire/mod.ts";
import {
  containerKey,
  type PlanBuilder,
  type StopAction,
  type WaitingReason,
} from "./plan_builder.ts";
import {
  type ContainerInput,
  type ContainerInstance,
  findExitCode,
  findNewest,
  findRunning,
  type PlanInput,
  type StartFailure,
  toStopByMs,
} from "./plan_input.ts";

/** Delay of the second restart in a row; the first one has none, each later one twice as much. */
const RESTART_DELAY_MS = 10_000;
const MAX_RESTART_DELAY_MS = 300_000;
/** An instance that ran at least this long resets the back-off. */
const BACKOFF_RESET_MS = 600_000;
/** How long a failed pull is shown as ErrImagePull before it is shown as ImagePullBackOff. */
const PULL_ERROR_SHOWN_MS = 5_000;
/** The newest instance and the one before it are kept for the status and for logs --previous. */
const KEPT_INSTANCES_COUNT = 2;

/**
 * Returns whether a container has exited and is never started again. Init containers that succeeded
 * don't count, since they run again in a new sandbox; sidecars restart always, and so does what was
 * stopped to be replaced.
 */
export function isCompleted(
  container: ContainerInput,
  { restartPolicy }: PodSpec,
): boolean {
  if (container.role === "sidecar" || isReplaced(container)) return false;
  const exitCode = findExitCode(container);
  if (exitCode === undefined) return false;
  if (container.role === "init") {
    return exitCode !== 0 && restartPolicy === RestartPolicy.NEVER;
  }
  switch (restartPolicy) {
    case RestartPolicy.ON_FAILURE:
      return exitCode === 0;
    case RestartPolicy.NEVER:
      return true;
    default:
      return false;
  }
}

/** Returns whether the newest instance was stopped to be replaced by another one. */
function isReplaced(container: ContainerInput): boolean {
  const { replacedId } = container;
  return replacedId !== undefined && findNewest(container)?.id === replacedId;
}

/** Returns the delay between the exit of an instance and the start of its successor. */
export function restartDelayMs(instance: ContainerInstance): number {
  const doublings = nextBackoffLevel(instance) - 2;
  return doublings < 0
    ? 0
    : Math.min(MAX_RESTART_DELAY_MS, RESTART_DELAY_MS * 2 ** doublings);
}

/** Returns the back-off level of an instance's successor. */
function nextBackoffLevel(instance: ContainerInstance): number {
  return (instance.ranMs >= BACKOFF_RESET_MS ? 0 : instance.backoffLevel) + 1;
}

/** Returns the waiting reason of a container in back-off, with the message of a kubelet. */
export function toCrashLoopBackOff(
  spec: Container,
  { last, pod }: { last: ContainerInstance; pod: PodSpec },
): WaitingReason {
  const delay = formatDuration(restartDelayMs(last));
  return {
    reason: "CrashLoopBackOff",
    message:
      `back-off ${delay} restarting failed container=${spec.name} pod=${pod.name}_${pod.namespace}(${pod.uid})`,
  };
}

/** Formats whole seconds as Go's `time.Duration` does: "40s", "1m20s", "5m0s". */
function formatDuration(durationMs: number): string {
  const seconds = durationMs / 1_000;
  return seconds < 60
    ? `${seconds}s`
    : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}

/** Adds the decisions about the containers of one pod to a plan. */
export class ContainerPlanner {
  readonly #input: PlanInput;
  readonly #builder: PlanBuilder;
  readonly #waiting: Map<string, WaitingReason>;

  constructor(input: PlanInput, builder: PlanBuilder) {
    this.#input = input;
    this.#builder = builder;
    this.#waiting = builder.plan.waiting;
  }

  /** Returns whether a start or stop of the container runs. */
  #isBusy(container: ContainerInput): boolean {
    return this.#input.busy.has(containerKey(container.spec.name));
  }

  /** Sets the waiting reason of containers that have not been started yet. */
  setInitialReasons(): void {
    const { containers } = this.#input;
    const hasInit = containers.some(({ role }) => role !== "app");
    const reason = hasInit ? "PodInitializing" : "ContainerCreating";
    for (const { spec, instances, completedExitCode } of containers) {
      const startingAttempt = this.#input.starting.get(spec.name)?.attempt;
      const hasStarted = instances.some(({ attempt }) =>
        attempt !== startingAttempt
      );
      if (hasStarted || completedExitCode !== undefined) continue;
      this.#waiting.set(spec.name, { reason, message: "" });
    }
  }

  /** Sets the message of every container that waits. */
  setWaitingMessage(message: string): void {
    for (const [name, { reason }] of this.#waiting) {
      this.#waiting.set(name, { reason, message });
    }
  }

  /** Removes all but the newest instances, and those that were created and never started. */
  removeOldInstances(): void {
    this.removeCreatedInstances();
    for (const container of this.#input.containers) {
      if (this.#isBusy(container)) continue;
      const exited = container.instances.filter(({ state }) =>
        state !== "created"
      );
      for (const instance of exited.slice(KEPT_INSTANCES_COUNT)) {
        if (instance.state === "running") continue;
        this.#removeInstance(container, instance);
      }
    }
  }

  /** Removes instances that were created and never started, unless a start is going to do so. */
  removeCreatedInstances(): void {
    for (const container of this.#input.containers) {
      if (this.#isBusy(container)) continue;
      for (const instance of container.instances) {
        if (instance.state !== "created") continue;
        this.#removeInstance(container, instance);
      }
    }
  }

  #removeInstance(
    { spec: { name } }: ContainerInput,
    { id }: ContainerInstance,
  ): void {
    this.#builder.addAction({ kind: "removeInstance", id, name });
  }

  /**
   * Brings the containers to what the spec asks for, in a sandbox that is ready. Without `mayStart`
   * nothing is started: the volumes are not ready. Containers are started in the order of the spec,
   * each when the start of the one before has ended, with its postStart hook (as in `SyncPod` of
   * the kubelet's runtime manager): a proxy can thus hold back the containers after it.
   */
  planContainers({ mayStart }: { mayStart: boolean }): void {
    const { containers } = this.#input;
    // An app container in this sandbox proves that the init containers succeeded, even when these
    // were removed from the engine since.
    const wasInitialized = containers.some((container) =>
      container.role === "app" &&
      (container.completedExitCode !== undefined ||
        this.#findInSandbox(container))
    );
    if (!wasInitialized && !this.#planInitContainers({ mayStart })) return;
    let isStarting = false;
    for (const role of wasInitialized ? ["sidecar", "app"] : ["app"]) {
      for (const container of containers) {
        if (container.role !== role) continue;
        const planned = this.#planContainer(container, {
          mayStart: mayStart && !isStarting,
        });
        isStarting ||= planned.isStarting;
      }
    }
  }

  /**
   * Stops the running instance of a container, if there is one. A stop that runs already is changed
   * when this one ends earlier, or is not held any more. Its postStart hook is aborted first.
   */
  stopRunning(
    container: ContainerInput,
    options: Pick<StopAction, "stopByMs" | "isHeld" | "cause" | "failedCheck">,
  ): void {
    const running = findRunning(container);
    if (!running) return;
    const { name } = container.spec;
    if (this.#input.starting.has(name)) {
      return this.#builder.abort(containerKey(name));
    }
    const action: StopAction = {
      kind: "stop",
      name,
      id: running.id,
      ...options,
    };
    const current = this.#input.stopping.get(name);
    if (!current) return this.#builder.addAction(action);
    const isEarlier = options.stopByMs < current.stopByMs;
    if (isEarlier || (current.isHeld && !options.isHeld)) {
      const stopByMs = Math.min(options.stopByMs, current.stopByMs);
      this.#builder.updateStop({ ...action, stopByMs });
    }
  }

  /** Goes through the init containers up to the first that is not done. Returns whether all are. */
  #planInitContainers({ mayStart }: { mayStart: boolean }): boolean {
    for (const container of this.#input.containers) {
      if (container.role === "app") continue;
      const current = this.#findInSandbox(container);
      if (container.role === "init") {
        if (current?.state === "exited" && current.exitCode === 0) {
          this.#waiting.delete(container.spec.name);
          continue;
        }
        this.#planContainer(container, { mayStart });
        return false;
      }
      const { isStarting } = this.#planContainer(container, { mayStart });
      if (isStarting || current?.state !== "running" || !container.started) {
        return false;
      }
    }
    return true;
  }

  /**
   * Starts a container, or checks the instance that runs. Returns whether a start of it runs or
   * begins.
   */
  #planContainer(
    container: ContainerInput,
    { mayStart }: { mayStart: boolean },
  ): { isStarting: boolean } {
    const { name, blocked, image } = container.spec;
    const start = this.#input.starting.get(name);
    if (start) {
      if (start.image !== image) this.#builder.abort(containerKey(name));
      return { isStarting: true };
    }
    const running = findRunning(container);
    let isStarting = false;
    if (running) {
      this.#waiting.delete(name);
      this.#stopOutdated(container, running);
    } else if (isCompleted(container, this.#input.spec)) {
      this.#waiting.delete(name);
    } else if (blocked) {
      const { reason, message } = blocked;
      this.#waiting.set(name, { reason, message });
    } else isStarting = this.#planStart(container, { mayStart });
    return { isStarting };
  }

  /** Stops a running instance that is unhealthy or runs another image than the spec names. */
  #stopOutdated(container: ContainerInput, running: ContainerInstance): void {
    const { nowMs, spec } = this.#input;
    const { unhealthy } = container;
    if (unhealthy?.id === running.id) {
      this.stopRunning(container, {
        stopByMs: toStopByMs({ nowMs, graceMs: unhealthy.graceMs }),
        isHeld: false,
        cause: "unhealthy",
        failedCheck: unhealthy.failedCheck,
      });
    } else if (
      running.image !== container.spec.image && container.role !== "init"
    ) {
      const graceMs = Number(spec.terminationGraceSeconds) * 1_000;
      this.stopRunning(container, {
        stopByMs: toStopByMs({ nowMs, graceMs }),
        isHeld: false,
        cause: "changed",
      });
    }
  }

  /**
   * Starts the next instance of a container, unless a back-off is not over yet. Returns whether it
   * does.
   */
  #planStart(
    container: ContainerInput,
    { mayStart }: { mayStart: boolean },
  ): boolean {
    const { nowMs, sandbox, spec } = this.#input;
    const { name, image } = container.spec;
    const last = container.instances.find(({ state }) => state === "exited");
    const attempt = last === undefined ? 0 : last.attempt + 1;
    // A failure of an earlier attempt or of another image is outdated.
    const { startFailure } = container;
    const failure =
      startFailure?.attempt === attempt && startFailure.image === image
        ? startFailure
        : undefined;
    if (failure && nowMs < failure.retryAtMs) {
      this.#setStartFailure(name, failure);
      return false;
    }
    // The successor of an instance that ended with an earlier sandbox, or of another image, needs
    // no back-off: it may well succeed.
    const isSameImage = last?.image === image;
    const dueAtMs = last?.sandboxId === sandbox.id && isSameImage
      ? last.exitedAtMs + restartDelayMs(last)
      : 0;
    if (last && nowMs < dueAtMs) {
      this.#waiting.set(
        name,
        toCrashLoopBackOff(container.spec, { last, pod: spec }),
      );
      this.#builder.syncAt(dueAtMs);
      return false;
    }
    // What an interrupted start created has the name of the next instance and is removed first.
    const isCreated = container.instances.some(({ state }) =>
      state === "created"
    );
    if (!mayStart || isCreated) return false;
    if (failure) this.#setStartFailure(name, failure);
    // Between two instances the status shows how the last one ended.
    else if (last) this.#waiting.delete(name);
    this.#builder.addAction({
      kind: "start",
      name,
      attempt,
      image,
      backoffLevel: last && isSameImage ? nextBackoffLevel(last) : 0,
    });
    return true;
  }

  /** Shows why the container could not be started; a failed pull turns into ImagePullBackOff. */
  #setStartFailure(name: string, failure: StartFailure): void {
    const { nowMs } = this.#input;
    const { reason, message, failedAtMs, retryAtMs } = failure;
    const backOffFromMs = failedAtMs + PULL_ERROR_SHOWN_MS;
    const isPull = reason === "ErrImagePull";
    this.#waiting.set(
      name,
      isPull && nowMs >= backOffFromMs
        ? {
          reason: "ImagePullBackOff",
          message: `Back-off pulling image: ${message}`,
        }
        : { reason, message },
    );
    if (isPull && nowMs < backOffFromMs) this.#builder.syncAt(backOffFromMs);
    if (nowMs < retryAtMs) this.#builder.syncAt(retryAtMs);
  }

  /** Returns the newest instance that was started in the current sandbox. */
  #findInSandbox(container: ContainerInput): ContainerInstance | undefined {
    return container.instances.find(({ sandboxId, state }) =>
      sandboxId === this.#input.sandbox.id && state !== "created"
    );
  }
}
