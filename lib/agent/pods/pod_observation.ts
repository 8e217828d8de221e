// SPDX-License-Identifier: Apache-2.0
/** What the engine holds of one pod, as it was last read. */
import type { RuntimeContainer, RuntimePod } from "../runtime/mod.ts";
import type { Container } from "../../shared/wire/mod.ts";
import type { WorkerContext } from "./context.ts";
import {
  type ContainerInstance,
  type PlanInput,
  toInstances,
} from "./plan_input.ts";
import { readTerminationMessage } from "./termination_message.ts";

/** Options of {@linkcode PodObservation}. */
export interface PodObservationOptions {
  context: Pick<WorkerContext, "clock" | "runtime" | "volumes" | "log">;
  podUid: string;
}

/**
 * The last listing of one pod, with what the engine does not keep: when each instance exited on the
 * monotonic clock, and its termination message.
 */
export class PodObservation {
  readonly #options: PodObservationOptions;
  readonly #exitedAtMs = new Map<string, number>();
  readonly #terminationMessages = new Map<string, string>();
  #pod: RuntimePod | undefined;

  constructor(options: PodObservationOptions) {
    this.#options = options;
  }

  /** State and engine id of the pod's sandbox. */
  get sandbox(): PlanInput["sandbox"] {
    const sandbox = this.#pod?.sandbox;
    if (!sandbox) return { kind: "absent", id: "" };
    return { kind: sandbox.running ? "ready" : "exited", id: sandbox.id };
  }

  /** Addresses of the sandbox; empty without one and for hostNetwork. */
  get podIps(): readonly string[] {
    return this.#pod?.sandbox?.podIps ?? [];
  }

  /** Termination messages by engine id of the instance. */
  get terminationMessages(): ReadonlyMap<string, string> {
    return this.#terminationMessages;
  }

  /** Returns the instances of a container, newest attempt first. */
  listInstances(name: string): ContainerInstance[] {
    return toInstances(this.#pod, { name, exitedAtMs: this.#exitedAtMs });
  }

  /**
   * Replaces the observation; undefined when the engine holds nothing of the pod. Reads the
   * termination message of each instance that has exited since the last call.
   * @param findContainer returns a container of the spec by name
   */
  async update(
    pod: RuntimePod | undefined,
    findContainer: (name: string) => Container | undefined,
  ): Promise<void> {
    this.#pod = pod;
    const exited = pod?.containers.filter(({ state }) => state === "exited") ??
      [];
    for (const container of exited) {
      if (!this.#exitedAtMs.has(container.id)) {
        this.#exitedAtMs.set(container.id, this.#toExitedAtMs(container));
      }
    }
    for (const container of exited) {
      if (this.#terminationMessages.has(container.id)) continue;
      const message = await readTerminationMessage(container, {
        ...this.#options,
        fallbackToLogs: findContainer(container.name)
          ?.terminationMessageFallbackToLogs ?? false,
      });
      this.#terminationMessages.set(container.id, message);
    }
  }

  /**
   * Drops what is kept of an instance that was removed from the engine. Returns its attempt, or
   * undefined when the last listing does not have it.
   */
  dropInstance(id: string): number | undefined {
    this.#terminationMessages.delete(id);
    this.#exitedAtMs.delete(id);
    return this.#pod?.containers.find((container) => container.id === id)
      ?.attempt;
  }

  /**
   * Converts the engine's wall time to the monotonic clock. A time in the future counts as now,
   * since a wall clock can be set back; a container that could not be started has no time at all.
   */
  #toExitedAtMs({ finishedUnixMs }: RuntimeContainer): number {
    const { clock } = this.#options.context;
    const agoMs = finishedUnixMs > 0 ? clock.wallMs() - finishedUnixMs : 0;
    return clock.monotonicMs() - Math.max(0, agoMs);
  }
}
