// SPDX-License-Identifier: Apache-2.0
/** A local copy of the objects of one type, kept up to date by list and watch. */
import {
  AranyaError,
  asAranyaError,
  type Backoff,
  createBackoff,
  defined,
  hasCode,
  type Logger,
  Scope,
  SYSTEM_CLOCK,
} from "../../shared/base/mod.ts";
import type { KubeClient } from "./api.ts";
import { isExpired } from "./kube_error.ts";
import { keyOf, type ObjectType } from "./kinds.ts";
import { type ChangeListener, ObjectStore } from "./object_store.ts";
import type { KubeObject } from "./objects.ts";

/**
 * Read access to the local copy. Its objects are shared: never change them. Dispose it to stop
 * watching; that also ends all subscriptions.
 */
export interface Informer<T extends KubeObject> extends AsyncDisposable {
  /**
   * Resolves when the first complete list is stored. Rejects with "cancelled" when the informer is
   * disposed before.
   */
  readonly synced: Promise<void>;
  /** Whether the first complete list is stored. */
  readonly hasSynced: boolean;
  /** Why list or watch fails at present; undefined while they work. */
  readonly failure: AranyaError | undefined;
  /** Returns an object by "namespace/name", or by "name" when it is cluster-scoped. */
  get(key: string): T | undefined;
  /** Returns all objects. */
  list(): T[];
  /** Number of objects. */
  readonly size: number;
  /** Returns the objects for which the `index` function returned this value. */
  byIndex(value: string): T[];
  /**
   * Calls the listener for every later change; with `replay`, first for each object as if it were
   * just added. Returns a function that ends the subscription.
   */
  onChange(
    listener: ChangeListener<T>,
    options?: { replay?: boolean },
  ): () => void;
}

/** Options of {@linkcode createInformer}. */
export interface InformerOptions<T extends KubeObject> {
  client: KubeClient;
  type: ObjectType<T>;
  /** Gets one line when list or watch begins to fail, and one when it has recovered. */
  log: Logger;
  /** Undefined: all namespaces. */
  namespace?: string | undefined;
  /** E.g. "app=web". */
  labelSelector?: string | undefined;
  /** E.g. "spec.nodeName=edge-1"; each resource supports only some fields. */
  fieldSelector?: string | undefined;
  /** Removes unused fields, to save memory. `metadata.managedFields` is always removed. */
  strip?: (object: T) => T;
  /** Returns the index value of an object, e.g. its node's name; undefined: not in the index. */
  index?: (object: T) => string | undefined;
  /** Number of objects per page of the list. @default 500 */
  pageSize?: number;
  /** Called when the first list is stored, and when the code of `failure` changes. */
  onStateChange?: () => void;
}

const DEFAULT_PAGE_SIZE = 500;
const LIST_TIMEOUT_MS = 60_000;
const MIN_WATCH_SECONDS = 300;
/** The API server sends a bookmark each minute: two may be missed. */
const WATCH_IDLE_TIMEOUT_MS = 150_000;
/** A watch that ends sooner than this counts as a failure for the back-off. */
const SHORT_WATCH_MS = 1000;
/** Low enough for everything to be current within 10 s after an outage of the API server. */
const MAX_DELAY_MS = 4000;
/**
 * Missing RBAC rules are added by people: frequent retries are of no use. But the first ones come
 * soon, since an API server that has just started refuses everything until it has read its roles.
 */
const MAX_FORBIDDEN_DELAY_MS = 15_000;

/**
 * Starts an informer. Errors never reach the caller: list and watch are retried with back-off until
 * the informer is disposed.
 */
export function createInformer<T extends KubeObject>(
  options: InformerOptions<T>,
): Informer<T> {
  return new ListWatchInformer(options);
}

class ListWatchInformer<T extends KubeObject> implements Informer<T> {
  readonly #options: InformerOptions<T>;
  readonly #scope: Scope;
  readonly #store: ObjectStore<T>;
  readonly #synced = Promise.withResolvers<void>();
  readonly #log: Logger;
  /** Which objects are listed and watched. */
  readonly #selection: Pick<
    InformerOptions<T>,
    "namespace" | "labelSelector" | "fieldSelector"
  >;
  readonly #backoff: Backoff = createBackoff({
    initialDelayMs: 250,
    maxDelayMs: MAX_DELAY_MS,
    jitter: 0.5,
  });
  readonly #forbiddenBackoff: Backoff = createBackoff({
    initialDelayMs: 500,
    maxDelayMs: MAX_FORBIDDEN_DELAY_MS,
    jitter: 0.5,
  });
  /** Where the next watch begins; "": list first. */
  #resourceVersion = "";
  #hasSynced = false;
  /** Error of the last list or watch; each outage is logged once. */
  #failure: AranyaError | undefined;

  constructor(options: InformerOptions<T>) {
    this.#options = options;
    const { type, namespace, labelSelector, fieldSelector, index } = options;
    this.#selection = { namespace, labelSelector, fieldSelector };
    this.#log = options.log.with({
      object: type.plural,
      ...defined({ namespace }),
    });
    this.#store = new ObjectStore({ log: this.#log, index });
    // The informer may be disposed while nothing waits for `synced`.
    this.#synced.promise.catch(() => {});
    this.#scope = new Scope({ onError: (error) => this.#setFailure(error) });
    this.#scope.run((signal) => this.#run(signal));
  }

  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  get failure(): AranyaError | undefined {
    return this.#failure;
  }

  get size(): number {
    return this.#store.size;
  }

  get(key: string): T | undefined {
    return this.#store.get(key);
  }

  list(): T[] {
    return this.#store.list();
  }

  byIndex(value: string): T[] {
    return this.#store.byIndex(value);
  }

  onChange(
    listener: ChangeListener<T>,
    options: { replay?: boolean } = {},
  ): () => void {
    return this.#store.subscribe(listener, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.close();
    this.#store.unsubscribeAll();
    this.#synced.reject(
      new AranyaError(
        "cancelled",
        `Cannot list ${this.#options.type.plural}: the informer was closed`,
      ),
    );
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#resourceVersion === "") await this.#listAll(signal);
        const startMs = performance.now();
        await this.#watchOnce(signal);
        if (performance.now() - startMs < SHORT_WATCH_MS) {
          await SYSTEM_CLOCK.sleep(this.#backoff.next(), { signal });
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!isExpired(error)) this.#setFailure(error);
        // Besides "expired": an API server restored from a backup refuses a resourceVersion that is
        // newer than its own on every retry.
        if (!hasCode(error, "unavailable")) this.#resourceVersion = "";
        const backoff = hasCode(error, "forbidden")
          ? this.#forbiddenBackoff
          : this.#backoff;
        await SYSTEM_CLOCK.sleep(backoff.next(), { signal }).catch(() => {});
      }
    }
  }

  /** Reads all pages, then makes the store equal to them. */
  async #listAll(signal: AbortSignal): Promise<void> {
    const { client, type, pageSize = DEFAULT_PAGE_SIZE } = this.#options;
    const objects = new Map<string, T>();
    let page: string | undefined;
    let resourceVersion = "";
    do {
      const list = await client.list(type, {
        ...this.#selection,
        limit: pageSize,
        ...defined({ continue: page }),
        signal,
        timeoutMs: LIST_TIMEOUT_MS,
      });
      for (const item of list.items) objects.set(keyOf(item), this.#trim(item));
      resourceVersion = list.metadata.resourceVersion ?? "";
      page = list.metadata.continue;
    } while (page !== undefined && page !== "");
    this.#store.replaceAll([...objects.values()]);
    const isFirst = !this.#hasSynced;
    this.#hasSynced = true;
    this.#synced.resolve();
    this.#clearFailure();
    if (isFirst) this.#options.onStateChange?.();
    this.#resourceVersion = resourceVersion;
  }

  /** Applies the events of one watch; resolves when the API server ends it. */
  async #watchOnce(signal: AbortSignal): Promise<void> {
    const { client, type } = this.#options;
    const events = client.watch(type, {
      ...this.#selection,
      resourceVersion: this.#resourceVersion,
      // Spread, so that watches opened together don't all end together.
      timeoutSeconds: Math.round(MIN_WATCH_SECONDS * (1 + Math.random())),
      idleTimeoutMs: WATCH_IDLE_TIMEOUT_MS,
      signal,
    });
    for await (const event of events) {
      if (event.type === "ERROR") {
        throw new AranyaError(
          event.code === 410 ? "not_found" : "unavailable",
          `Cannot watch ${type.plural}: ${event.message}`,
          { details: { status: event.code } },
        );
      }
      const { type: change, object } = event;
      if (change === "DELETED") this.#store.delete(keyOf(object));
      else if (change !== "BOOKMARK") this.#store.put(this.#trim(object));
      this.#resourceVersion = object.metadata.resourceVersion ??
        this.#resourceVersion;
      this.#clearFailure();
      this.#backoff.reset();
    }
  }

  /** Removes unused fields. Changes the object, which no one else holds yet. */
  #trim(object: T): T {
    const metadata: T["metadata"] & { managedFields?: unknown } =
      object.metadata;
    delete metadata.managedFields;
    return this.#options.strip?.(object) ?? object;
  }

  #setFailure(error: unknown): void {
    const { type, onStateChange } = this.#options;
    const previous = this.#failure;
    this.#failure = asAranyaError(error, `Cannot watch ${type.plural}`);
    if (previous) this.#log.debug("watch still failing", { error });
    else this.#log.warn("watch failed, will retry", { error });
    if (previous?.code !== this.#failure.code) onStateChange?.();
  }

  #clearFailure(): void {
    if (!this.#failure) return;
    this.#failure = undefined;
    this.#forbiddenBackoff.reset();
    this.#log.info("watch recovered");
    this.#options.onStateChange?.();
  }
}
