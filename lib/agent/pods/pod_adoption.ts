// SPDX-License-Identifier: Apache-2.0
/** Workers for pods that the engine holds and the agent has no record of. */
import {
  AranyaError,
  asAranyaError,
  type Clock,
  type Logger,
  type Scope,
} from "../../shared/base/mod.ts";
import type { RuntimePod } from "../runtime/mod.ts";
import type { EngineCache } from "./engine_cache.ts";
import {
  createPodRecord,
  type PodRecord,
  toUnmanagedSpec,
} from "./pod_record.ts";
import type { PodWorker } from "./pod_worker.ts";
import { UNKNOWN_POD_AGE_MS, UnknownPods } from "./unknown_pods.ts";

/** The workers of the device's pods. */
export interface WorkerTable {
  find(uid: string): PodWorker | undefined;
  /** Creates the worker of a pod that has none. */
  start(record: PodRecord): PodWorker;
}

/** Options of {@linkcode PodAdoption}. */
export interface PodAdoptionOptions {
  engine: Pick<EngineCache, "listPods">;
  workers: WorkerTable;
  clock: Clock;
  log: Logger;
  /** Runs delayed listings. */
  scope: Pick<Scope, "run">;
}

/**
 * Adopts pods that have containers but no record: those of the first listing at once, later ones
 * when they have been unknown for a minute. An adopted pod is left running, and reported.
 */
export class PodAdoption {
  readonly #options: PodAdoptionOptions;
  readonly #unknownPods: UnknownPods;
  #isListingScheduled = false;

  constructor(options: PodAdoptionOptions) {
    this.#options = options;
    this.#unknownPods = new UnknownPods({ clock: options.clock });
  }

  /** Something changed in a pod without a worker. */
  onUnknownPodChanged(uid: string): void {
    this.#unknownPods.add(uid);
    this.#scheduleListing();
  }

  /** Takes a listing of the engine, complete. */
  onListing(
    pods: readonly RuntimePod[],
    { isFirst }: { isFirst: boolean },
  ): void {
    const { workers } = this.#options;
    const unknown = pods.filter(({ uid }) => !workers.find(uid));
    const adopted = isFirst ? unknown : this.#unknownPods.takeOld(unknown);
    for (const pod of adopted) this.#adopt(pod);
    if (adopted.length < unknown.length) this.#scheduleListing();
  }

  /**
   * Returns the worker of a pod that is to be removed, after adopting it when the engine holds it.
   * @throws {AranyaError} code "not_found" when it does not, "unavailable" when it can't be read
   */
  async adoptForRemoval(uid: string): Promise<PodWorker> {
    const action = `Cannot remove pod ${uid}`;
    const worker = await this.adoptIfPresent(uid, { action });
    if (worker) return worker;
    throw new AranyaError(
      "not_found",
      `${action}: the device does not have it`,
    );
  }

  /**
   * Returns the worker of a pod without a record, after adopting it; undefined when the engine does
   * not hold it either.
   * @param options.action for errors, such as "Cannot remove pod u-1"
   * @throws {AranyaError} code "unavailable" when the engine can't be read
   */
  async adoptIfPresent(
    uid: string,
    { action }: { action: string },
  ): Promise<PodWorker | undefined> {
    const { engine, workers } = this.#options;
    const pods = await engine.listPods().catch((error) => {
      const { code, message } = asAranyaError(error, action);
      throw new AranyaError(
        code,
        `${action}: the container engine can't be read (${message})`,
        { cause: error },
      );
    });
    const pod = pods.get(uid);
    // The listing may have created the worker.
    return workers.find(uid) ?? (pod && this.#adopt(pod));
  }

  #adopt(pod: RuntimePod): PodWorker {
    const { workers, clock, log } = this.#options;
    log.warn("pod has containers but no record", {
      pod: `${pod.namespace}/${pod.name}`,
    });
    return workers.start(createPodRecord(toUnmanagedSpec(pod), {
      firstSeenUnixMs: clock.wallMs(),
      goal: "unmanaged",
    }));
  }

  /** Lists the pods of the engine when those that are unknown now would be adopted. */
  #scheduleListing(): void {
    if (this.#isListingScheduled) return;
    this.#isListingScheduled = true;
    const { scope, clock, engine } = this.#options;
    scope.run(async (signal) => {
      await clock.sleep(UNKNOWN_POD_AGE_MS, { signal });
      this.#isListingScheduled = false;
      await engine.listPods().catch(() => {});
    });
  }
}
