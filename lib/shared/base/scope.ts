// SPDX-License-Identifier: Apache-2.0
/** Lifetime of a component: its tasks, its resources and their end. */
import { onAbort } from "./abort.ts";

/** Options of {@linkcode Scope}. */
export interface ScopeOptions {
  /** Closes the scope when it is aborted. */
  parent?: AbortSignal;
  /** Receives errors of tasks and of clean-ups. @default they are dropped */
  onError?: (error: unknown) => void;
}

/**
 * Owns the tasks and resources of a component. Closing it aborts the signal, runs the clean-ups in
 * reverse order of their registration, then awaits the tasks.
 *
 * @example
 * ```ts
 * await using scope = new Scope({ onError: (error) => log.error("task failed", { error }) });
 * const client = scope.use(createClient());
 * scope.run((signal) => client.watch(signal));
 * ```
 */
export class Scope implements AsyncDisposable {
  readonly #controller = new AbortController();
  readonly #cleanUps: (() => void | Promise<void>)[] = [];
  readonly #tasks = new Set<Promise<void>>();
  readonly #report: (error: unknown) => void;
  readonly #parentListener: Disposable | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ScopeOptions = {}) {
    this.#report = options.onError ?? (() => {});
    this.#parentListener = onAbort(
      options.parent,
      (reason) => void this.close(reason),
    );
  }

  /** Aborted when the scope begins to close. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Registers a function to run at the end. Its error goes to `onError`. */
  defer(cleanUp: () => void | Promise<void>): void {
    this.#cleanUps.push(cleanUp);
  }

  /** Registers a resource to be disposed at the end, and returns it. */
  use<T extends AsyncDisposable | Disposable>(resource: T): T {
    this.defer(async () => {
      if (Symbol.asyncDispose in resource) {
        await resource[Symbol.asyncDispose]();
      } else resource[Symbol.dispose]();
    });
    return resource;
  }

  /** Starts a task. Its rejection goes to `onError` unless the scope is already closing. */
  run(task: (signal: AbortSignal) => Promise<void>): void {
    const running: Promise<void> = Promise.resolve()
      .then(() => task(this.signal))
      .catch((error) => {
        if (!this.signal.aborted) this.#report(error);
      })
      .finally(() => this.#tasks.delete(running));
    this.#tasks.add(running);
  }

  /**
   * Closes the scope; the signal gets the reason. A second call waits for the first. Never rejects.
   */
  close(reason?: unknown): Promise<void> {
    this.#closing ??= this.#close(reason);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(reason: unknown): Promise<void> {
    this.#parentListener?.[Symbol.dispose]();
    this.#controller.abort(reason);
    // A clean-up may register another one.
    for (
      let cleanUp = this.#cleanUps.pop();
      cleanUp;
      cleanUp = this.#cleanUps.pop()
    ) {
      try {
        await cleanUp();
      } catch (error) {
        this.#report(error);
      }
    }
    await Promise.allSettled(this.#tasks);
  }
}
