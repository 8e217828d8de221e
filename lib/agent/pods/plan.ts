// SPDX-License-Identifier: Apache-2.0
/**
 * What to do next for one pod: a pure function of what is wished, what is there and what time it is.
 * It follows the order of a kubelet (computePodActions, pkg/kubelet/kuberuntime): volumes, sandbox, init containers one by one with
 * sidecars staying, app containers; restarts by policy with growing delays; removal from the app containers to the first sidecar.
 */
import { RestartPolicy } from "../../shared/wire/mod.ts";
import {
  type Action,
  crashLoop,
  keyOf,
  lastExitCode,
  levelAfter,
  livingOf,
  MIN_GRACE_MS,
  type Plan,
  PULL_ERROR_SHOWN_MS,
  restartDelayMs,
} from "./plan_input.ts";
import type { ContainerView, Instance, PodView } from "./plan_input.ts";

/** Decides. */
export function planPod(view: PodView): Plan {
  const planner = new Planner(view);
  switch (view.goal.kind) {
    case "leave":
      break;
    case "forget":
      planner.add({ kind: "forget" });
      break;
    case "fail":
      planner.stopAll(view.goal.stopByMs, "failed");
      break;
    case "remove":
      planner.stopAll(view.goal.stopByMs, "removed");
      break;
    case "run":
      planner.run();
  }
  return planner.plan;
}

class Planner {
  readonly plan: Plan = {
    actions: [],
    waiting: new Map(),
    wakeAtMs: undefined,
    ended: false,
  };
  readonly #view: PodView;

  constructor(view: PodView) {
    this.#view = view;
  }

  add(action: Action): void {
    if (!this.#view.busy.has(keyOf(action))) this.plan.actions.push(action);
  }

  /** Ends what lives: init and app containers at once, then sidecars from the last to the first. */
  stopAll(
    stopByMs: number,
    why: "removed" | "failed" | "finished" | "sandbox",
  ): void {
    const { containers, busy } = this.#view;
    const living = containers.filter((view) =>
      livingOf(view) || this.#isBusy(view)
    );
    const first = living.filter((view) => view.role !== "sidecar");
    const next = first.length > 0 ? first : living.slice(-1);
    for (const view of next) this.#stop(view, { stopByMs, why });
    // A sidecar's turn may come too late for the whole grace: its stop is held to the same end.
    if (why !== "sandbox") {
      this.plan.ended = living.length === 0 && busy.size === 0;
    }
  }

  run(): void {
    const { deadlineAtMs, nowMs } = this.#view;
    if (deadlineAtMs !== undefined && nowMs >= deadlineAtMs) {
      this.add({
        kind: "failPod",
        reason: "DeadlineExceeded",
        message:
          "Pod was active on the node longer than the specified deadline",
      });
      return;
    }
    this.#wakeAt(deadlineAtMs);
    for (const view of this.#view.containers) this.#collect(view);
    this.#sayDefaults();
    if (this.#isFinished()) return this.#finish();
    const volumesReady = this.#volumes();
    if (this.#view.sandbox.kind !== "ready") {
      if (volumesReady) this.#sandbox();
      return;
    }
    this.#containers({ mayStart: volumesReady });
  }

  // -------------------------------------------------------------------------------------------------- the pod as a whole

  /** Whether every app container, or an init container, has ended for good. */
  #isFinished(): boolean {
    const apps = this.#view.containers.filter((view) => view.role === "app");
    return this.#initFailed() ||
      (apps.length > 0 && apps.every((view) => this.#isSettled(view)));
  }

  #initFailed(): boolean {
    return this.#view.containers.some((view) =>
      view.role === "init" && this.#isSettled(view) &&
      (lastExitCode(view) ?? 0) !== 0
    );
  }

  /** Ended and never started again. */
  #isSettled(view: ContainerView): boolean {
    if (view.role === "sidecar") return false;
    const exitCode = lastExitCode(view);
    if (exitCode === undefined) return false;
    if (view.role === "init") {
      return exitCode !== 0 &&
        this.#view.spec.restartPolicy === RestartPolicy.NEVER;
    }
    switch (this.#view.spec.restartPolicy) {
      case RestartPolicy.ON_FAILURE:
        return exitCode === 0;
      case RestartPolicy.NEVER:
        return true;
      default:
        return false;
    }
  }

  #finish(): void {
    const graceMs = Number(this.#view.spec.terminationGraceSeconds) * 1_000;
    this.stopAll(
      this.#view.nowMs + Math.max(MIN_GRACE_MS, graceMs),
      "finished",
    );
  }

  #volumes(): boolean {
    const { spec, volumes, nowMs } = this.#view;
    const blocked = spec.volumes.find((volume) => volume.blocked)?.blocked;
    if (blocked) {
      this.#sayAll(blocked.message);
      return false;
    }
    if (volumes.kind === "ready") return true;
    if (volumes.kind === "failed") {
      this.#sayAll(volumes.message);
      if (nowMs < volumes.retryAtMs) {
        this.#wakeAt(volumes.retryAtMs);
        return false;
      }
    }
    this.add({ kind: "prepareVolumes" });
    return false;
  }

  /** The sandbox is absent or dead: what still lives in the pod lost its network and goes first. */
  #sandbox(): void {
    const { containers, nowMs, sandboxRetryAtMs, spec } = this.#view;
    const ran = containers.some((view) => lastExitCode(view) !== undefined);
    const living = containers.some((view) => livingOf(view));
    if (living) {
      return this.stopAll(nowMs + MIN_GRACE_MS, "sandbox");
    }
    if (ran && spec.restartPolicy === RestartPolicy.NEVER) {
      return this.#endWithSandbox();
    }
    if (nowMs < sandboxRetryAtMs) return this.#wakeAt(sandboxRetryAtMs);
    this.add({ kind: "ensureSandbox" });
  }

  /**
   * With `Never` what has run is not run again in another sandbox, and what has not can't run either. A kubelet decides the same but
   * has such a pod wait for good; here it fails, so that its Job goes on.
   */
  #endWithSandbox(): void {
    const missed = this.#view.containers.find((view) =>
      view.role !== "sidecar" && lastExitCode(view) === undefined
    );
    if (missed === undefined) {
      this.plan.ended = this.#view.busy.size === 0;
      return;
    }
    this.add({
      kind: "failPod",
      reason: "SandboxLost",
      message:
        `The pod's sandbox ended before container "${missed.spec.name}" had run, and restartPolicy Never allows no other`,
    });
  }

  // ------------------------------------------------------------------------------------------------------- containers

  #containers({ mayStart }: { mayStart: boolean }): void {
    const { containers } = this.#view;
    // Any app container in this sandbox shows that its init containers are done, also when they were collected since.
    let initialized = containers.some((view) =>
      view.role === "app" &&
      (view.settledExitCode !== undefined || this.#ofSandbox(view))
    );
    if (!initialized) initialized = this.#initialize(mayStart);
    else {
      for (const view of containers) {
        if (view.role === "sidecar") this.#drive(view, mayStart);
      }
    }
    if (!initialized) return;
    for (const view of containers) {
      if (view.role === "app") this.#drive(view, mayStart);
    }
  }

  /** Goes through the init containers up to the first that is not done. Gives whether all are. */
  #initialize(mayStart: boolean): boolean {
    for (const view of this.#view.containers) {
      if (view.role === "app") continue;
      const current = this.#ofSandbox(view);
      if (view.role === "init") {
        if (current?.state === "exited" && current.exitCode === 0) {
          this.plan.waiting.delete(view.spec.name);
          continue;
        }
        this.#drive(view, mayStart);
        return false;
      }
      this.#drive(view, mayStart);
      if (current?.state !== "running" || !view.started) return false;
    }
    return true;
  }

  /** Has one container run: starts, restarts or ends the instance that is there. */
  #drive(view: ContainerView, mayStart: boolean): void {
    const { name } = view.spec;
    const living = livingOf(view);
    if (living) {
      this.plan.waiting.delete(name);
      return this.#checkLiving(view, living);
    }
    if (this.#isSettled(view)) {
      this.plan.waiting.delete(name);
      return;
    }
    if (view.spec.blocked) {
      this.plan.waiting.set(name, {
        reason: view.spec.blocked.reason,
        message: view.spec.blocked.message,
      });
      return;
    }
    this.#start(view, mayStart);
  }

  #checkLiving(view: ContainerView, living: Instance): void {
    const { nowMs, spec } = this.#view;
    const graceMs = Number(spec.terminationGraceSeconds) * 1_000;
    if (view.unhealthy?.id === living.id) {
      this.#stop(view, {
        stopByMs: nowMs + Math.max(MIN_GRACE_MS, view.unhealthy.graceMs),
        why: "unhealthy",
        what: view.unhealthy.what,
      });
    } else if (living.image !== view.spec.image && view.role !== "init") {
      this.#stop(view, {
        stopByMs: nowMs + Math.max(MIN_GRACE_MS, graceMs),
        why: "changed",
      });
    }
  }

  #start(view: ContainerView, mayStart: boolean): void {
    const { nowMs, sandbox } = this.#view;
    const { name } = view.spec;
    const last = view.instances.find((instance) => instance.state === "exited");
    const attempt = last === undefined ? 0 : last.attempt + 1;
    // A dead instance of an earlier sandbox did not fail by itself: its successor starts at once.
    const dueAtMs = last === undefined || last.sandboxId !== sandbox.id
      ? 0
      : last.deadAtMs + restartDelayMs(last);
    const failure = view.startFailure;
    if (failure && failure.attempt === attempt && nowMs < failure.retryAtMs) {
      return this.#sayFailure(name, failure);
    }
    if (nowMs < dueAtMs && last) {
      this.plan.waiting.set(
        name,
        crashLoop(view.spec, { last, pod: this.#view.spec }),
      );
      return this.#wakeAt(dueAtMs);
    }
    // The engine's leavings of a start that was cut off bear the same name and go first.
    const cutOff = view.instances.some((one) => one.state === "created");
    if (!mayStart || cutOff) return;
    if (last !== undefined && failure?.attempt !== attempt) {
      // The moment between two instances reads as the end of the former.
      this.plan.waiting.delete(name);
    } else if (failure?.attempt === attempt) {
      this.#sayFailure(name, failure);
    }
    this.add({
      kind: "start",
      name,
      attempt,
      backoffLevel: last === undefined ? 0 : levelAfter(last),
    });
  }

  #sayFailure(
    name: string,
    failure: NonNullable<ContainerView["startFailure"]>,
  ): void {
    const { nowMs } = this.#view;
    const backOffFromMs = failure.failedAtMs + PULL_ERROR_SHOWN_MS;
    const pulls = failure.reason === "ErrImagePull";
    this.plan.waiting.set(
      name,
      pulls && nowMs >= backOffFromMs
        ? {
          reason: "ImagePullBackOff",
          message: `Back-off pulling image: ${failure.message}`,
        }
        : { reason: failure.reason, message: failure.message },
    );
    if (pulls && nowMs < backOffFromMs) this.#wakeAt(backOffFromMs);
    if (nowMs < failure.retryAtMs) this.#wakeAt(failure.retryAtMs);
  }

  #stop(
    view: ContainerView,
    options: Pick<Action & { kind: "stop" }, "stopByMs" | "why" | "what">,
  ): void {
    const { stopping } = this.#view;
    const living = livingOf(view);
    if (!living) return;
    const { name } = view.spec;
    const plannedMs = stopping.get(name);
    const action: Action = { kind: "stop", name, id: living.id, ...options };
    // A stop that runs already is asked again only to be shorter; a start that runs is given up by the worker.
    if (plannedMs === undefined) this.add(action);
    else if (options.stopByMs < plannedMs) this.plan.actions.push(action);
  }

  /** Keeps the newest instance and the last dead one before it; what was created and never started is of no use. */
  #collect(view: ContainerView): void {
    if (this.#isBusy(view)) return;
    const { name } = view.spec;
    const kept = view.instances.filter((one) => one.state !== "created")
      .slice(0, 2);
    for (const instance of view.instances) {
      if (kept.includes(instance) || instance.state === "running") continue;
      this.add({ kind: "removeInstance", id: instance.id, name });
    }
  }

  // ------------------------------------------------------------------------------------------------------------ words

  #sayDefaults(): void {
    const { containers } = this.#view;
    const hasInit = containers.some((view) => view.role !== "app");
    for (const view of containers) {
      if (view.instances.length > 0 || view.settledExitCode !== undefined) {
        continue;
      }
      this.plan.waiting.set(view.spec.name, {
        reason: hasInit ? "PodInitializing" : "ContainerCreating",
        message: "",
      });
    }
  }

  #sayAll(message: string): void {
    for (const [name, said] of this.plan.waiting) {
      this.plan.waiting.set(name, { reason: said.reason, message });
    }
  }

  #wakeAt(atMs: number | undefined): void {
    if (atMs === undefined) return;
    this.plan.wakeAtMs = Math.min(this.plan.wakeAtMs ?? Infinity, atMs);
  }

  #isBusy(view: ContainerView): boolean {
    return this.#view.busy.has(`container/${view.spec.name}`);
  }

  /** The newest instance that was started in the present sandbox. */
  #ofSandbox(view: ContainerView): Instance | undefined {
    return view.instances.find((instance) =>
      instance.sandboxId === this.#view.sandbox.id &&
      instance.state !== "created"
    );
  }
}
