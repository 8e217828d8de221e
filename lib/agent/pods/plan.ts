// SPDX-License-Identifier: Apache-2.0
/** Decides what to do next for one pod. */
import { FORBIDDEN_BY_DEVICE } from "../../shared/admission/mod.ts";
import { RestartPolicy } from "../../shared/wire/mod.ts";
import {
  actionKey,
  containerKey,
  type Plan,
  PlanBuilder,
  type StopCause,
} from "./plan_builder.ts";
import { ContainerPlanner, isCompleted } from "./plan_containers.ts";
import {
  findExitCode,
  findRunning,
  type PlanInput,
  toStopByMs,
} from "./plan_input.ts";

/**
 * Returns the actions that bring one pod closer to its goal, and when to sync again. It is pure
 * and follows the order of a kubelet (`computePodActions` in pkg/kubelet/kuberuntime): volumes,
 * sandbox, init containers one by one while sidecars keep running, app containers; restarts by
 * policy with growing delays; on removal the app containers first and then the sidecars, last to
 * first.
 */
export function planPod(input: PlanInput): Plan {
  return new PodPlanner(input).planPod();
}

const PURGE_KEY = actionKey({ kind: "purge" });

/** Decides about the pod as a whole: deadline, volumes, sandbox, end. */
class PodPlanner {
  readonly #input: PlanInput;
  readonly #builder: PlanBuilder;
  readonly #containers: ContainerPlanner;

  constructor(input: PlanInput) {
    this.#input = input;
    this.#builder = new PlanBuilder(input.busy);
    this.#containers = new ContainerPlanner(input, this.#builder);
  }

  planPod(): Plan {
    const { goal } = this.#input;
    switch (goal.kind) {
      case "unmanaged":
        break;
      case "purge":
        this.#planPurge();
        break;
      case "fail":
        this.#planEnd(goal.stopByMs, "failed");
        this.#planRelease();
        break;
      case "remove":
        this.#planEnd(goal.stopByMs, "removed");
        break;
      case "run":
        this.#planRun();
    }
    return this.#builder.plan;
  }

  /**
   * Removes everything of the pod once nothing else runs: a start that is being aborted could leave
   * a container behind.
   */
  #planPurge(): void {
    this.#builder.plan.isEnding = true;
    const others = [...this.#input.busy].filter((key) => key !== PURGE_KEY);
    for (const key of others) this.#builder.abort(key);
    if (others.length === 0) this.#builder.addAction({ kind: "purge" });
  }

  /** Stops the containers for good. */
  #planEnd(stopByMs: number, cause: StopCause): void {
    this.#abortStarts();
    this.#containers.removeCreatedInstances();
    this.#stopContainers(stopByMs, cause);
  }

  #planRun(): void {
    const { deadlineAtMs, nowMs, sandbox, forbidden } = this.#input;
    this.#containers.removeOldInstances();
    this.#containers.setInitialReasons();
    if (this.#isFinished()) return this.#finish();
    if (forbidden !== undefined) {
      this.#builder.addAction({
        kind: "failPod",
        reason: FORBIDDEN_BY_DEVICE,
        message: forbidden,
      });
      return;
    }
    if (deadlineAtMs !== undefined && nowMs >= deadlineAtMs) {
      this.#builder.addAction({
        kind: "failPod",
        reason: "DeadlineExceeded",
        message:
          "Pod was active on the node longer than the specified deadline",
      });
      return;
    }
    this.#builder.syncAt(deadlineAtMs);
    const volumesReady = this.#planVolumes();
    if (sandbox.kind !== "ready") {
      if (volumesReady) this.#planSandbox();
      return;
    }
    this.#containers.planContainers({ mayStart: volumesReady });
  }

  /** Returns whether an init container failed for good, or every app container has completed. */
  #isFinished(): boolean {
    const { containers } = this.#input;
    const apps = containers.filter(({ role }) => role === "app");
    const initFailed = containers.some((container) =>
      container.role === "init" && isCompleted(container, this.#input.spec)
    );
    return initFailed ||
      (apps.length > 0 &&
        apps.every((container) => isCompleted(container, this.#input.spec)));
  }

  /** Stops what still runs in a finished pod, then gives back what it holds. */
  #finish(): void {
    this.#abortStarts();
    this.#stopContainers(this.#toStopByMs(), "finished");
    this.#planRelease();
  }

  /**
   * Gives back sandbox and volumes once nothing runs any more, as a kubelet does. Its address, its
   * memory and its space on disk are of use before the Pod object is deleted. The containers are
   * kept for their logs.
   */
  #planRelease(): void {
    if (!this.#builder.plan.terminated || this.#input.isReleased) return;
    this.#builder.addAction({ kind: "release" });
  }

  /** Returns when the grace period of the pod ends, if it begins now. */
  #toStopByMs(): number {
    const { nowMs, spec } = this.#input;
    const graceMs = Number(spec.terminationGraceSeconds) * 1_000;
    return toStopByMs({ nowMs, graceMs });
  }

  /**
   * Begins the stop of all containers, with their preStop hooks. The stop signals of sidecars are
   * held back: they are sent from the last to the first, each when everything before has exited.
   * All share one deadline, at which none is held any more.
   */
  #stopContainers(stopByMs: number, cause: StopCause): void {
    const { containers, busy, starting } = this.#input;
    const active = containers.filter((container) =>
      findRunning(container) || starting.has(container.spec.name)
    );
    const hasOthers = active.some(({ role }) => role !== "sidecar");
    const next = hasOthers ? undefined : active.at(-1);
    for (const container of active) {
      const isHeld = container.role === "sidecar" && container !== next;
      this.#containers.stopRunning(container, { stopByMs, cause, isHeld });
    }
    // After the loss of a sandbox the pod goes on in a new one.
    if (cause === "sandbox") return;
    // The engine may be about to start what it has created, also for a former agent.
    const hasCreated = containers.some(({ instances }) =>
      instances.some(({ state }) => state === "created")
    );
    this.#builder.plan.terminated = active.length === 0 && busy.size === 0 &&
      !hasCreated;
  }

  /** Aborts what would bring up more of the pod; stops go on. */
  #abortStarts(): void {
    this.#builder.plan.isEnding = true;
    this.#builder.abort(actionKey({ kind: "prepareVolumes" }));
    this.#builder.abort(actionKey({ kind: "ensureSandbox" }));
    for (const name of this.#input.starting.keys()) {
      this.#builder.abort(containerKey(name));
    }
  }

  /**
   * Returns whether the volumes are ready; otherwise prepares them, or waits for the next attempt.
   */
  #planVolumes(): boolean {
    const { volumes, nowMs } = this.#input;
    if (volumes.kind === "ready") return true;
    if (volumes.kind === "failed" || volumes.kind === "blocked") {
      this.#containers.setWaitingMessage(volumes.message);
    }
    if (volumes.kind === "blocked") return false;
    if (volumes.kind === "failed" && nowMs < volumes.retryAtMs) {
      this.#builder.syncAt(volumes.retryAtMs);
      return false;
    }
    this.#builder.addAction({ kind: "prepareVolumes" });
    return false;
  }

  /**
   * Replaces an absent or exited sandbox. What still runs in it has lost its network and is stopped
   * first.
   */
  #planSandbox(): void {
    const { containers, nowMs, sandboxRetryAtMs, spec } = this.#input;
    if (containers.some((container) => findRunning(container))) {
      return this.#stopContainers(this.#toStopByMs(), "sandbox");
    }
    const hasRun = containers.some((container) =>
      findExitCode(container) !== undefined
    );
    if (hasRun && spec.restartPolicy === RestartPolicy.NEVER) {
      return this.#endWithoutSandbox();
    }
    if (nowMs < sandboxRetryAtMs) {
      return this.#builder.syncAt(sandboxRetryAtMs);
    }
    this.#builder.addAction({ kind: "ensureSandbox" });
  }

  /**
   * Ends a pod with restart policy Never whose sandbox is lost: what has run must not run again, so
   * what has not run can't run either. A kubelet leaves such a pod waiting; here it fails,
   * so that its Job can replace it.
   */
  #endWithoutSandbox(): void {
    const { containers, busy } = this.#input;
    const missed = containers.find((container) =>
      container.role !== "sidecar" && findExitCode(container) === undefined
    );
    if (missed === undefined) {
      this.#builder.plan.isEnding = true;
      this.#builder.plan.terminated = busy.size === 0;
      return;
    }
    this.#builder.addAction({
      kind: "failPod",
      reason: "SandboxLost",
      message:
        `Pod sandbox was lost before container "${missed.spec.name}" ran, and restartPolicy Never does not allow a new one`,
    });
  }
}
