// SPDX-License-Identifier: Apache-2.0
/** Decides which test files run side by side, and in which order. */

/** Something that runs once, e.g. the tests of a file. */
export interface Job {
  readonly name: string;
  /** How long it takes, roughly. Long jobs start first, so that none runs alone at the end. */
  readonly seconds: number;
  /** Jobs of one group don't run at the same time. */
  readonly group?: string;
  /** Whether no other job may run at the same time. @default false */
  readonly isAlone?: boolean;
}

/** Options of {@linkcode Schedule}. */
export interface ScheduleOptions {
  /** How many jobs may run at the same time. */
  slotCount: number;
  /** Returns a number from 0 to below 1; decides the order and thereby which jobs meet. */
  random: () => number;
}

/** Limits of the random factor of a job's length. */
const MIN_FACTOR = 0.5;
const MAX_FACTOR = 1.5;

/** Jobs that have not run, and those that run. */
export class Schedule<T extends Job> {
  readonly #slotCount: number;
  /** Each pending job with the random factor of its length. */
  readonly #pending = new Map<T, number>();
  readonly #running = new Set<T>();

  constructor(jobs: Iterable<T>, { slotCount, random }: ScheduleOptions) {
    this.#slotCount = slotCount;
    for (const job of jobs) {
      this.#pending.set(
        job,
        MIN_FACTOR + (MAX_FACTOR - MIN_FACTOR) * random(),
      );
    }
  }

  /** The jobs that run. */
  get running(): readonly T[] {
    return [...this.#running];
  }

  /** Marks the next job as running and returns it; undefined when none may start now. */
  start(): T | undefined {
    const [next] = [...this.#pending.keys()]
      .filter((job) => this.#mayStart(job))
      .toSorted((a, b) => this.#weightOf(b) - this.#weightOf(a));
    if (!next) return undefined;
    this.#pending.delete(next);
    this.#running.add(next);
    return next;
  }

  /** Marks a job as ended. */
  end(job: T): void {
    this.#running.delete(job);
  }

  #mayStart(job: T): boolean {
    const { running } = this;
    return running.length < this.#slotCount &&
      running.every((one) =>
        !one.isAlone && !job.isAlone &&
        (one.group === undefined || one.group !== job.group)
      );
  }

  /** Returns how early a job starts: a job of a group counts as all that is left of the group. */
  #weightOf(job: T): number {
    const factor = this.#pending.get(job) ?? 1;
    if (job.group === undefined) return factor * job.seconds;
    const left = [...this.#pending.keys()].filter((one) =>
      one.group === job.group
    );
    return left.reduce((sum, { seconds }) => sum + seconds, 0) +
      factor * job.seconds;
  }
}

/**
 * Runs all jobs of a schedule, and yields what comes of each as it ends. When one throws, no more
 * are started, and its error is thrown after those that run have ended.
 */
export async function* runJobs<T extends Job, R>(
  schedule: Schedule<T>,
  work: (job: T) => Promise<R>,
): AsyncGenerator<R> {
  const running = new Map<T, Promise<{ job: T; result: R }>>();
  try {
    for (;;) {
      for (let job = schedule.start(); job; job = schedule.start()) {
        const started = job;
        running.set(
          started,
          work(started).then((result) => ({ job: started, result })),
        );
      }
      if (running.size === 0) return;
      const { job, result } = await Promise.race(running.values());
      running.delete(job);
      schedule.end(job);
      yield result;
    }
  } finally {
    await Promise.allSettled(running.values());
  }
}
