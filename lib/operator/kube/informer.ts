// SPDX-License-Identifier: Apache-2.0
/** A local copy of one kind of object, kept up to date by list and watch. */
import {
  AranyaError,
  createBackoff,
  type Logger,
  Scope,
  SYSTEM_CLOCK,
} from "../../shared/base/mod.ts";
import type { KubeClient } from "./api.ts";
import { isExpired } from "./calls.ts";
import { keyOf, type ObjectType } from "./kinds.ts";
import type { KubeObject } from "./objects.ts";

/** One change of an informer's store: an object was added (`old` is undefined), updated or deleted (`now` is undefined). */
export interface ObjectChange<T> {
  /** "namespace/name", or "name" of a cluster-scoped object. */
  key: string;
  now: T | undefined;
  old: T | undefined;
}

/** Is called for each change, in order. Must not throw. */
export type ChangeListener<T> = (change: ObjectChange<T>) => void;

/** See {@linkcode createInformer}. Its objects are shared: never change them. */
export interface Informer<T extends KubeObject> extends AsyncDisposable {
  /** Resolves when the first complete list is in; rejects only when the informer is closed before. */
  readonly synced: Promise<void>;
  /** Whether the first complete list is in. */
  readonly hasSynced: boolean;
  /** Object by "namespace/name", or "name" for what is in no namespace. */
  get(key: string): T | undefined;
  /** All objects. */
  list(): T[];
  /** Number of objects. */
  readonly size: number;
  /** Objects whose `index` function gave this value. */
  byIndex(value: string): T[];
  /** Calls for every later change; with `replay` also for what is there now. @returns ends it */
  onChange(
    listener: ChangeListener<T>,
    options?: { replay?: boolean },
  ): () => void;
}

/** Options of {@linkcode createInformer}. */
export interface InformerOptions<T extends KubeObject> {
  /** Lists and watches. */
  client: KubeClient;
  /** What is copied. */
  type: ObjectType<T>;
  /** Told when an outage begins and when it ends. */
  log: Logger;
  /** Absent: all namespaces. */
  namespace?: string | undefined;
  /** Only objects with such labels. */
  labelSelector?: string | undefined;
  /** Only objects with such fields, where the API has them. */
  fieldSelector?: string | undefined;
  /** Keeps only what is used; `metadata.managedFields` is dropped before. */
  strip?: (object: T) => T;
  /** Value of the one index, e.g. the node's name; undefined: in none. */
  index?: (object: T) => string | undefined;
  /** Objects a page. @default 500 */
  pageSize?: number;
  /** Silence after which a watch counts as dead, in milliseconds; the API server sends a bookmark each minute. @default 150000 */
  idleTimeoutMs?: number;
}

const MIN_WATCH_SECONDS = 300;
const HASTY_WATCH_MS = 1000;
/** Rights are given by people: they come late, and need no haste. */
const FORBIDDEN_DELAY_MS = 15_000;

/** Starts an informer. It never throws: troubles are logged once and retried with back-off until it is disposed. */
export function createInformer<T extends KubeObject>(
  options: InformerOptions<T>,
): Informer<T> {
  return new Reflector(options);
}

class Reflector<T extends KubeObject> implements Informer<T> {
  readonly #options: InformerOptions<T>;
  readonly #scope: Scope;
  readonly #store = new Map<string, T>();
  readonly #index = new Map<string, Map<string, T>>();
  readonly #listeners = new Set<ChangeListener<T>>();
  readonly #synced = Promise.withResolvers<void>();
  readonly #log: Logger;
  #hasSynced = false;
  /** An outage is told once when it begins and once when it ends. */
  #failing = false;

  constructor(options: InformerOptions<T>) {
    this.#options = options;
    const { type, namespace } = options;
    this.#log = options.log.with({
      object: type.plural,
      ...(namespace === undefined ? {} : { namespace }),
    });
    // Nobody may be waiting when it is closed early.
    this.#synced.promise.catch(() => {});
    this.#scope = new Scope({ onError: (error) => this.#report(error) });
    this.#scope.run((signal) => this.#run(signal));
  }

  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  get size(): number {
    return this.#store.size;
  }

  get(key: string): T | undefined {
    return this.#store.get(key);
  }

  list(): T[] {
    return [...this.#store.values()];
  }

  byIndex(value: string): T[] {
    return [...this.#index.get(value)?.values() ?? []];
  }

  onChange(
    listener: ChangeListener<T>,
    { replay = false }: { replay?: boolean } = {},
  ): () => void {
    // A wrapper, so that the same function may listen twice.
    const own: ChangeListener<T> = (change) => listener(change);
    this.#listeners.add(own);
    if (replay) {
      for (const [key, object] of [...this.#store]) {
        this.#notify(own, { key, now: object, old: undefined });
      }
    }
    return () => void this.#listeners.delete(own);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.close();
    this.#listeners.clear();
    this.#synced.reject(
      new AranyaError(
        "cancelled",
        `Cannot list ${this.#options.type.plural}: the informer was closed`,
      ),
    );
  }

  async #run(signal: AbortSignal): Promise<void> {
    const backoff = createBackoff({
      initialDelayMs: 250,
      maxDelayMs: 8000,
      jitter: 0.5,
    });
    let resourceVersion = "";
    while (!signal.aborted) {
      try {
        if (resourceVersion === "") {
          resourceVersion = await this.#listAll(signal);
        }
        const startMs = performance.now();
        await this.#watch({
          resourceVersion,
          signal,
          seen: (version) => {
            resourceVersion = version;
            this.#recovered();
            backoff.reset();
          },
        });
        // A server that ends each watch at once must not be asked again at once.
        if (performance.now() - startMs < HASTY_WATCH_MS) {
          await SYSTEM_CLOCK.sleep(backoff.next(), { signal });
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!isExpired(error)) this.#report(error);
        // Too old; or a server restored from a backup, which knows less than we do and refuses our version for ever.
        if (!isOutage(error)) resourceVersion = "";
        const delayMs = isForbidden(error)
          ? FORBIDDEN_DELAY_MS
          : backoff.next();
        await SYSTEM_CLOCK.sleep(delayMs, { signal }).catch(() => {});
      }
    }
  }

  /** Brings the store to what the API server has. @returns the list's resourceVersion */
  async #listAll(signal: AbortSignal): Promise<string> {
    const { client, type, namespace, labelSelector, fieldSelector } =
      this.#options;
    const fresh = new Map<string, T>();
    let page: string | undefined;
    let version = "";
    do {
      const list = await client.list(type, {
        namespace,
        labelSelector,
        fieldSelector,
        limit: this.#options.pageSize ?? 500,
        ...(page === undefined ? {} : { continue: page }),
        signal,
        timeoutMs: 60_000,
      });
      for (const item of list.items) fresh.set(keyOf(item), this.#strip(item));
      version = list.metadata.resourceVersion ?? "";
      page = list.metadata.continue;
    } while (page !== undefined && page !== "");
    for (const key of [...this.#store.keys()]) {
      if (!fresh.has(key)) this.#set(key, undefined);
    }
    for (const [key, object] of fresh) this.#set(key, object);
    this.#recovered();
    if (!this.#hasSynced) {
      this.#hasSynced = true;
      this.#synced.resolve();
    }
    return version;
  }

  async #watch(options: {
    resourceVersion: string;
    signal: AbortSignal;
    seen: (resourceVersion: string) => void;
  }): Promise<void> {
    const { client, type, namespace, labelSelector, fieldSelector } =
      this.#options;
    const events = client.watch(type, {
      namespace,
      labelSelector,
      fieldSelector,
      resourceVersion: options.resourceVersion,
      // Spread, so that watches opened together don't all end together.
      timeoutSeconds: Math.round(MIN_WATCH_SECONDS * (1 + Math.random())),
      idleTimeoutMs: this.#options.idleTimeoutMs ?? 150_000,
      signal: options.signal,
    });
    for await (const event of events) {
      if (event.type === "ERROR") {
        throw new AranyaError(
          event.code === 410 ? "not_found" : "unavailable",
          `Cannot watch ${type.plural}: ${event.message}`,
          { details: { status: event.code } },
        );
      }
      const { object } = event;
      if (event.type !== "BOOKMARK") {
        const now = event.type === "DELETED" ? undefined : this.#strip(object);
        this.#set(keyOf(object), now);
      }
      options.seen(object.metadata.resourceVersion ?? options.resourceVersion);
    }
  }

  #strip(object: T): T {
    const metadata: T["metadata"] & { managedFields?: unknown } =
      object.metadata;
    delete metadata.managedFields;
    return this.#options.strip?.(object) ?? object;
  }

  #set(key: string, now: T | undefined): void {
    const old = this.#store.get(key);
    if (now === undefined) {
      if (old === undefined) return;
      this.#store.delete(key);
    } else {
      const same = old?.metadata.uid === now.metadata.uid &&
        old?.metadata.resourceVersion === now.metadata.resourceVersion;
      if (same) return;
      this.#store.set(key, now);
    }
    this.#reindex(key, { now, old });
    for (const listener of [...this.#listeners]) {
      this.#notify(listener, { key, now, old });
    }
  }

  #reindex(
    key: string,
    { now, old }: { now: T | undefined; old: T | undefined },
  ): void {
    const { index } = this.#options;
    if (!index) return;
    const before = old && index(old);
    const after = now && index(now);
    if (before !== undefined && before !== after) {
      const group = this.#index.get(before);
      group?.delete(key);
      if (group?.size === 0) this.#index.delete(before);
    }
    if (after !== undefined && now) {
      const group = this.#index.get(after) ?? new Map<string, T>();
      group.set(key, now);
      this.#index.set(after, group);
    }
  }

  #notify(listener: ChangeListener<T>, change: ObjectChange<T>): void {
    try {
      listener(change);
    } catch (error) {
      this.#log.error("listener failed", { object: change.key, error });
    }
  }

  #report(error: unknown): void {
    if (this.#failing) {
      this.#log.debug("watch still failing", { error });
      return;
    }
    this.#failing = true;
    this.#log.warn("watch failed, trying again", { error });
  }

  #recovered(): void {
    if (!this.#failing) return;
    this.#failing = false;
    this.#log.info("watch works again");
  }
}

function isOutage(error: unknown): boolean {
  return error instanceof AranyaError && error.code === "unavailable";
}

function isForbidden(error: unknown): boolean {
  return error instanceof AranyaError && error.code === "forbidden";
}
