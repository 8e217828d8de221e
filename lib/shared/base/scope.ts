// SPDX-License-Identifier: Apache-2.0
/** The life of something that runs: one abort signal, and what has to be closed at its end in reverse order. */

/** See {@linkcode createScope}. */
export interface Scope extends AsyncDisposable {
  /** Aborted when the scope begins to close. */
  readonly signal: AbortSignal;
  /** Has this run at the end, last added first. */
  defer(cleanUp: () => void | Promise<void>): void;
  /** Has this disposed at the end and returns it. */
  use<T extends AsyncDisposable | Disposable>(resource: T): T;
  /** Awaits this task at the end; a rejection goes to `onError` unless the scope is already closing. */
  run(task: (signal: AbortSignal) => Promise<void>): void;
  /** Closes; may be called twice, the second call waits for the first. */
  close(reason?: unknown): Promise<void>;
}

/** Options of {@linkcode createScope}. */
export interface ScopeOptions {
  /** Closing this one closes ours. */
  parent?: AbortSignal;
  /** Told of tasks that failed and of clean-ups that threw. */
  onError?: (error: unknown) => void;
}

/** Makes a scope. */
export function createScope(options: ScopeOptions = {}): Scope {
  const controller = new AbortController();
  const cleanUps: (() => void | Promise<void>)[] = [];
  const tasks = new Set<Promise<void>>();
  const report = options.onError ?? (() => {});
  let closing: Promise<void> | undefined;

  const scope: Scope = {
    signal: controller.signal,
    defer: (cleanUp) => void cleanUps.push(cleanUp),
    use(resource) {
      cleanUps.push(async () => {
        if (Symbol.asyncDispose in resource) {
          await resource[Symbol.asyncDispose]();
        } else resource[Symbol.dispose]();
      });
      return resource;
    },
    run(task) {
      const running: Promise<void> = Promise.resolve().then(() =>
        task(controller.signal)
      ).catch((error) => {
        if (!controller.signal.aborted) report(error);
      }).finally(() => tasks.delete(running));
      tasks.add(running);
    },
    close(reason) {
      closing ??= (async () => {
        options.parent?.removeEventListener("abort", onParent);
        controller.abort(reason);
        for (let cleanUp = cleanUps.pop(); cleanUp; cleanUp = cleanUps.pop()) {
          try {
            await cleanUp();
          } catch (error) {
            report(error);
          }
        }
        await Promise.allSettled(tasks);
      })();
      return closing;
    },
    [Symbol.asyncDispose]: () => scope.close(),
  };
  const onParent = () => void scope.close(options.parent?.reason);
  if (options.parent?.aborted) onParent();
  else options.parent?.addEventListener("abort", onParent, { once: true });
  return scope;
}
