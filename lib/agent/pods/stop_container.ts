// SPDX-License-Identifier: Apache-2.0
/** Stops one container within a grace period that may be shortened while the stop runs. */
import type { Logger } from "../../shared/base/mod.ts";
import { RestartPolicy } from "../../shared/wire/mod.ts";
import type { WorkerContext } from "./context.ts";
import { runHandler } from "./lifecycle_handler.ts";
import type { StopAction } from "./plan_builder.ts";
import { MIN_GRACE_MS } from "./plan_input.ts";
import type { PodState } from "./pod_state.ts";

/** Options of {@linkcode ContainerStop}. */
export interface ContainerStopOptions {
  context: Pick<WorkerContext, "runtime" | "clock">;
  state: PodState;
  log: Logger;
  /** Aborts the stop; the container may go on. */
  signal: AbortSignal;
}

/**
 * One stop of a container: its preStop hook, then the stop signal, then a kill by the engine. All
 * share the action's deadline, so that a slow hook takes time from the container.
 */
export class ContainerStop {
  readonly #action: StopAction;
  readonly #options: ContainerStopOptions;
  readonly #hookDeadline = new AbortController();
  #hookTimer: ReturnType<typeof setTimeout> | undefined;
  #isSignalled = false;

  constructor(action: StopAction, options: ContainerStopOptions) {
    this.#action = { ...action };
    this.#options = options;
  }

  /** The action with its present deadline. */
  get action(): StopAction {
    return this.#action;
  }

  /**
   * Runs the stop. Resolves when the container has exited.
   * @throws the signal's reason when it is aborted, or the engine's error
   */
  async run(): Promise<void> {
    const { context, state, signal } = this.#options;
    state.reportEvent({
      container: this.#action.name,
      warning: false,
      reason: "Killing",
      message: toKillingMessage(
        this.#action,
        state.record.spec.restartPolicy,
      ),
    });
    await this.#runPreStop();
    signal.throwIfAborted();
    this.#isSignalled = true;
    await context.runtime.stopContainer(this.#action.id, {
      graceMs: this.#remainingGraceMs(),
      signal,
    });
  }

  /** Moves the deadline forward; a later one is ignored. Returns at once and never throws. */
  shorten(stopByMs: number): void {
    if (stopByMs >= this.#action.stopByMs) return;
    this.#action.stopByMs = stopByMs;
    if (!this.#isSignalled) return this.#startHookTimer();
    const { context, signal, log } = this.#options;
    const { id, name } = this.#action;
    context.runtime.stopContainer(id, {
      graceMs: this.#remainingGraceMs(),
      signal,
    }).catch((error) => {
      if (signal.aborted) return;
      log.warn("grace period of a running stop can't be shortened", {
        container: name,
        error,
      });
    });
  }

  async #runPreStop(): Promise<void> {
    const { context, state, signal } = this.#options;
    const { name, id } = this.#action;
    const handler = state.findContainer(name)?.spec.preStop;
    if (!handler) return;
    this.#startHookTimer();
    try {
      const result = await runHandler(handler, {
        target: state.toHandlerTarget(id),
        streams: context.runtime,
        clock: context.clock,
        signal: AbortSignal.any([signal, this.#hookDeadline.signal]),
      });
      if (result.ok) return;
      state.reportEvent({
        container: name,
        warning: true,
        reason: "FailedPreStopHook",
        message: `PreStopHook failed: ${result.message}`,
      });
    } catch {
      // The hook ran into the deadline and the container is stopped next, or the whole stop was
      // aborted, which the caller checks.
    } finally {
      clearTimeout(this.#hookTimer);
    }
  }

  /** Aborts the preStop hook at the deadline; also when no hook runs, which has no effect. */
  #startHookTimer(): void {
    clearTimeout(this.#hookTimer);
    this.#hookTimer = setTimeout(
      () =>
        this.#hookDeadline.abort(
          new DOMException("the grace period is over", "TimeoutError"),
        ),
      Math.max(0, this.#remainingMs()),
    );
  }

  #remainingGraceMs(): number {
    return Math.max(MIN_GRACE_MS, this.#remainingMs());
  }

  #remainingMs(): number {
    return this.#action.stopByMs - this.#options.context.clock.monotonicMs();
  }
}

/** Returns the message of the Killing Event, in the words of a kubelet. */
function toKillingMessage(
  { name, cause, failedCheck }: StopAction,
  restartPolicy: RestartPolicy,
): string {
  switch (cause) {
    case "unhealthy":
      if (failedCheck === "postStart hook") return "FailedPostStartHook";
      return `Container ${name} failed ${failedCheck}${
        restartPolicy === RestartPolicy.NEVER ? "" : ", will be restarted"
      }`;
    case "changed":
      return `Container ${name} definition changed, will be restarted`;
    default:
      return `Stopping container ${name}`;
  }
}
