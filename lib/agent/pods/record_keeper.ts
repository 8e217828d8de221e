// SPDX-License-Identifier: Apache-2.0
/** Keeps the durable record of one pod in memory and on disk. */
import type { PodSpec } from "../../shared/wire/mod.ts";
import type { WorkerContext } from "./context.ts";
import type { PodRecord, RecordGoal } from "./pod_record.ts";

const RETRY_MS = 60_000;
/** How often the age of a pod is written until its active deadline. */
const SAVED_AGES_COUNT = 8;

/** Options of {@linkcode RecordKeeper}. */
export interface RecordKeeperOptions {
  context: Pick<WorkerContext, "store" | "clock" | "log">;
  /** The record as it is on disk, or that of a pod which has none there. */
  record: PodRecord;
}

/**
 * The durable record of one pod. A new spec is written before it takes effect. Every other change,
 * most of all what ends a pod, takes effect even when it can't be written: a full disk must not
 * keep the pods that fill it.
 */
export class RecordKeeper {
  readonly #options: RecordKeeperOptions;
  readonly #firstSeenMs: number;
  #record: PodRecord;
  /** Goal of the record on disk; undefined without one. */
  #savedGoal: RecordGoal | undefined;
  /** When a record that could not be written is written again. */
  #retryAtMs: number | undefined;
  #isAging = true;

  constructor(options: RecordKeeperOptions) {
    const { context, record } = options;
    this.#options = options;
    this.#record = record;
    this.#savedGoal = record.goal;
    // Only time in which an agent ran counts, and never a difference of wall times: a device
    // without a real-time clock boots in 1970, and a pod of that time would be decades old.
    this.#firstSeenMs = context.clock.monotonicMs() - record.activeMs;
  }

  /** The record; replaced as a whole when it changes. */
  get record(): PodRecord {
    return this.#record;
  }

  /** When activeDeadlineSeconds end, on the monotonic clock; undefined without a deadline. */
  get deadlineAtMs(): number | undefined {
    const { activeDeadlineSeconds } = this.#record.spec;
    return activeDeadlineSeconds > 0n
      ? this.#firstSeenMs + Number(activeDeadlineSeconds) * 1_000
      : undefined;
  }

  /** When to call `writeIfDue`, on the monotonic clock; undefined for never. */
  get dueAtMs(): number | undefined {
    const atMs = Math.min(
      this.#retryAtMs ?? Infinity,
      this.#firstSeenMs + this.#nextSavedAgeMs(),
    );
    return Number.isFinite(atMs) ? atMs : undefined;
  }

  /**
   * Replaces the spec, and sets the goal "run", once that is written.
   * @throws {AranyaError} when it can't be written; nothing is changed then
   */
  async replaceSpec(spec: PodSpec): Promise<void> {
    const former = this.#record;
    await this.#options.context.store.save({ ...former, spec, goal: "run" });
    this.#savedGoal = "run";
    const hasChanged = this.#record !== former;
    this.#record = { ...this.#record, spec, goal: "run" };
    // What was written meanwhile has the former spec.
    if (hasChanged) await this.#write();
  }

  /**
   * Changes the record at once, then writes it. Changes at the same time add up, and none is lost.
   * Never rejects.
   */
  async update(change: Partial<PodRecord>): Promise<void> {
    this.#record = { ...this.#record, ...change, ...this.#toAge() };
    await this.#write();
  }

  /** Writes the record when it is time to. Never rejects. */
  async writeIfDue(): Promise<void> {
    const { clock } = this.#options.context;
    if (clock.monotonicMs() >= (this.dueAtMs ?? Infinity)) {
      await this.update({});
    }
  }

  /** Stops writing the age of the pod, because its deadline does not count any more. */
  stopAging(): void {
    this.#isAging = false;
  }

  /** Writes the age of the pod, if it has an active deadline. Never rejects. */
  async close(): Promise<void> {
    if (Number.isFinite(this.#nextSavedAgeMs())) await this.update({});
  }

  /** Returns the age of a pod with an active deadline; that of any other one is not recorded. */
  #toAge(): Pick<PodRecord, "activeMs"> | undefined {
    if (this.deadlineAtMs === undefined) return undefined;
    const { clock } = this.#options.context;
    return { activeMs: clock.monotonicMs() - this.#firstSeenMs };
  }

  /**
   * Returns the age at which the record is written although nothing else has changed: at a power
   * cut a pod with an active deadline loses no more than this part of it.
   */
  #nextSavedAgeMs(): number {
    const { spec: { activeDeadlineSeconds }, activeMs, goal } = this.#record;
    const isCounted = activeDeadlineSeconds > 0n && goal === "run" &&
      this.#isAging;
    if (!isCounted) return Infinity;
    const deadlineMs = Number(activeDeadlineSeconds) * 1_000;
    return activeMs + deadlineMs / SAVED_AGES_COUNT;
  }

  /**
   * Writes the record. When that fails it is tried again later, and the record on disk is removed
   * if the pod would be started from it after a power cut; that takes no space.
   */
  async #write(): Promise<void> {
    const { store, log, clock } = this.#options.context;
    const record = this.#record;
    const { spec, goal } = record;
    try {
      await store.save(record);
      this.#savedGoal = goal;
      this.#retryAtMs = undefined;
    } catch (error) {
      if (this.#retryAtMs === undefined) {
        log.error("pod record can't be written, will retry", {
          pod: `${spec.namespace}/${spec.name}`,
          error,
        });
      }
      this.#retryAtMs = clock.monotonicMs() + RETRY_MS;
      if (this.#savedGoal !== "run" || goal === "run") return;
      await store.remove(spec.uid).then(
        () => this.#savedGoal = undefined,
        () => {},
      );
    }
  }
}
