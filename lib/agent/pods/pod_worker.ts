// SPDX-License-Identifier: Apache-2.0
/**
 * One pod's worker: looks at what is wished and what is there, has the plan made, and carries its actions out, each on its own, so that
 * a long pull of one container holds no other up. It looks again whenever something may have changed.
 */
import { asAranyaError, type Logger } from "../../shared/base/mod.ts";
import { DISK_LOOK_MS, limitedVolumes } from "../volumes/mod.ts";
import type { PodSpec, PodStatus } from "../../shared/wire/mod.ts";
import { carryOut, type RunningAction } from "./execute.ts";
import { planPod } from "./plan.ts";
import { PodMemory } from "./pod_state.ts";
import { type Action, keyOf, type Plan } from "./plan_input.ts";
import type { PodRecord } from "./record.ts";
import type { WorkerSurroundings } from "./context.ts";

const RETRY_LOOK_MS = 5_000;

/** See the file's head. */
export class PodWorker implements AsyncDisposable {
  readonly #around: WorkerSurroundings;
  readonly #memory: PodMemory;
  readonly #log: Logger;
  readonly #busy = new Map<string, RunningAction>();
  readonly #closing = new AbortController();
  #looking: Promise<void> | undefined;
  #measuring: Promise<void> | undefined;
  #again = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    around: WorkerSurroundings,
    { record, isNew }: { record: PodRecord; isNew: boolean },
  ) {
    this.#around = around;
    this.#memory = new PodMemory(around, {
      record,
      isNew,
      wake: () => this.wake(),
    });
    this.#log = around.log.with({
      pod: `${record.spec.namespace}/${record.spec.name}`,
    });
    if (limitedVolumes(record.spec).length > 0) {
      this.#measuring = this.#measure(this.#closing.signal);
    }
  }

  /** What is remembered of the pod. */
  get record(): PodRecord {
    return this.#memory.record;
  }

  /** The last status published. */
  get status(): PodStatus | undefined {
    return this.#memory.status;
  }

  /** Has the pod follow this spec. Resolves when it is kept durably. */
  async apply(spec: PodSpec): Promise<void> {
    await this.#memory.apply(spec);
    this.wake();
  }

  /** Has the pod end within the grace; the smallest ever asked for counts. Resolves when it is kept durably. */
  async remove(graceSeconds: number): Promise<void> {
    await this.#memory.remove(graceSeconds);
    this.#giveUpStarts();
    this.wake();
  }

  /** The object is gone: everything of the pod goes. Resolves when it is kept durably. */
  async forget(): Promise<void> {
    await this.#memory.forget();
    this.#giveUpStarts();
    this.wake();
  }

  /** Looks again soon. */
  wake(): void {
    if (this.#closing.signal.aborted) return;
    this.#again = true;
    this.#looking ??= this.#lookWhileAsked().finally(() => {
      this.#looking = undefined;
      if (this.#again) this.wake();
    });
  }

  /** What failed for a passing reason is tried again at once, e.g. since the link is back. */
  retry(): void {
    this.#memory.retry();
    this.wake();
  }

  /** Ends the worker; containers are left as they are. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(
      new DOMException("the agent is stopping", "AbortError"),
    );
    clearTimeout(this.#timer);
    this.#again = false;
    for (const running of this.#busy.values()) running.abort();
    await Promise.allSettled([
      this.#looking,
      this.#measuring,
      ...[...this.#busy.values()].map(({ done }) => done),
    ]);
    await this.#memory.close();
  }

  /** Evicts the pod once an emptyDir has grown over its limit. */
  async #measure(signal: AbortSignal): Promise<void> {
    const { clock, volumes } = this.#around;
    while (this.record.goal === "run" && !this.record.failure) {
      try {
        await clock.sleep(DISK_LOOK_MS, { signal });
        const message = await volumes.overfull(this.record.spec, signal);
        if (message === undefined || this.record.goal !== "run") continue;
        await this.#memory.fail({ reason: "Evicted", message });
        this.wake();
      } catch (error) {
        if (signal.aborted) return;
        this.#log.warn("volumes could not be measured", { error });
      }
    }
  }

  async #lookWhileAsked(): Promise<void> {
    // The tick lets all that changed together be seen together.
    await Promise.resolve();
    while (this.#again && !this.#closing.signal.aborted) {
      this.#again = false;
      try {
        await this.#look();
      } catch (error) {
        const known = asAranyaError(error, "Cannot look at pod");
        if (known.code !== "unavailable") {
          this.#log.warn("pod could not be looked at", { error: known });
        }
        this.#memory.publishUnseen();
        this.#wakeIn(RETRY_LOOK_MS);
      }
    }
  }

  async #look(): Promise<void> {
    const { record } = this.#memory;
    if (record.goal === "gone") return this.#memory.publishGone();
    if (!this.#around.mayRun(record)) return this.#memory.publishUnseen();
    const pod = await this.#around.observe(record.spec.uid);
    if (this.#closing.signal.aborted) return;
    await this.#memory.see(pod);
    const view = this.#memory.view({
      busy: new Set(this.#busy.keys()),
      stopping: this.#stopping(),
    });
    const plan = planPod(view);
    await this.#memory.note({ view, plan });
    for (const action of plan.actions) this.#begin(action);
    this.#planWake(plan);
    // A pod that is gone is looked at once more for its last word.
    if (this.#memory.record.goal !== record.goal) this.#again = true;
  }

  #begin(action: Action): void {
    const key = keyOf(action);
    const present = this.#busy.get(key);
    if (present) {
      if (action.kind === "stop") present.hurry?.(action.stopByMs);
      return;
    }
    const running = carryOut(action, {
      around: this.#around,
      memory: this.#memory,
      log: this.#log,
    });
    this.#busy.set(key, running);
    void running.done.finally(() => {
      this.#busy.delete(key);
      this.wake();
    });
  }

  #stopping(): Map<string, number> {
    const stopping = new Map<string, number>();
    for (const running of this.#busy.values()) {
      if (running.action.kind === "stop") {
        stopping.set(running.action.name, running.action.stopByMs);
      }
    }
    return stopping;
  }

  #giveUpStarts(): void {
    for (const running of this.#busy.values()) {
      if (
        ["start", "prepareVolumes", "ensureSandbox"].includes(
          running.action.kind,
        )
      ) running.abort();
    }
  }

  #planWake(plan: Plan): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (plan.wakeAtMs === undefined) return;
    this.#wakeIn(Math.max(0, plan.wakeAtMs - this.#around.clock.monotonicMs()));
  }

  #wakeIn(delayMs: number): void {
    if (this.#closing.signal.aborted) return;
    clearTimeout(this.#timer);
    // setTimeout's own limit is 2^31 ms; a later time is only looked at once before.
    this.#timer = setTimeout(() => this.wake(), Math.min(delayMs, 2 ** 31 - 1));
  }
}
