// SPDX-License-Identifier: Apache-2.0
/** Stops one container within a grace period that may be shortened while the stop runs. */
import { type Logger, onAbort } from "../../shared/base/mod.ts";
import { RestartPolicy } from "../../shared/wire/mod.ts";
import { ClockTimer } from "./clock_timer.ts";
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
 * One stop of a container: its preStop hook, then the wait for its turn, then the stop signal, then
 * a kill by the engine. All share the action's deadline, so that a slow hook takes time from the
 * container. The hook is run once for each instance, also when its stop fails and is repeated.
 */
export class ContainerStop {
  readonly #options: ContainerStopOptions;
  readonly #hook = new AbortController();
  readonly #turn = Promise.withResolvers<void>();
  /** Ends the hook and the wait for the turn. */
  readonly #deadline: ClockTimer;
  #action: StopAction;
  #isSignalled = false;

  constructor(action: StopAction, options: ContainerStopOptions) {
    this.#action = action;
    this.#options = options;
    this.#deadline = new ClockTimer(options.context.clock, () => {
      this.#hook.abort(
        new DOMException("the grace period is over", "TimeoutError"),
      );
      this.#turn.resolve();
    });
  }

  /** The action as the last `update` left it. */
  get action(): StopAction {
    return this.#action;
  }

  /**
   * Runs the stop. Resolves when the container has exited. Call it once.
   * @throws the signal's reason when it is aborted, or the engine's error
   */
  async run(): Promise<void> {
    const { context, state, signal } = this.#options;
    const { id, name, stopByMs, isHeld } = this.#action;
    using deadline = this.#deadline;
    using _abortListener = onAbort(signal, (reason) => {
      this.#hook.abort(reason);
      this.#turn.resolve();
    });
    deadline.set(stopByMs);
    if (!isHeld) this.#turn.resolve();
    if (state.beginStop(id)) {
      state.reportEvent({
        container: name,
        warning: false,
        reason: "Killing",
        message: toKillingMessage(
          this.#action,
          state.record.spec.restartPolicy,
        ),
      });
      await this.#runPreStop();
    }
    await this.#turn.promise;
    signal.throwIfAborted();
    this.#isSignalled = true;
    await context.runtime.stopContainer(id, {
      graceMs: this.#remainingGraceMs(),
      signal,
    });
  }

  /**
   * Moves the deadline forward, and lets go of a stop signal that is held back. A later deadline is
   * ignored. Returns at once and never throws.
   */
  update({ stopByMs, isHeld }: StopAction): void {
    const former = this.#action;
    this.#action = {
      ...former,
      stopByMs: Math.min(stopByMs, former.stopByMs),
      isHeld: former.isHeld && isHeld,
    };
    if (!this.#action.isHeld) this.#turn.resolve();
    if (stopByMs >= former.stopByMs || this.#options.signal.aborted) return;
    if (this.#isSignalled) this.#repeatStop();
    else this.#deadline.set(stopByMs);
  }

  /** Shortens the grace period that the engine was given. */
  #repeatStop(): void {
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
    const { context, state } = this.#options;
    const { name, id } = this.#action;
    const handler = state.findContainer(name)?.spec.preStop;
    if (!handler) return;
    try {
      const result = await runHandler(handler, {
        purpose: "hook",
        target: state.toHandlerTarget(id),
        streams: context.runtime,
        clock: context.clock,
        signal: this.#hook.signal,
      });
      if (result.ok) return state.reportHookWarning(name, result.warning);
      state.reportEvent({
        container: name,
        warning: true,
        reason: "FailedPreStopHook",
        message: `PreStopHook failed: ${result.message}`,
      });
    } catch {
      // The hook ran into the deadline and the container is stopped next, or the whole stop was
      // aborted, which the caller checks.
    }
  }

  #remainingGraceMs(): number {
    const { context } = this.#options;
    const remainingMs = this.#action.stopByMs - context.clock.monotonicMs();
    return Math.max(MIN_GRACE_MS, remainingMs);
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
