// SPDX-License-Identifier: Apache-2.0
/** A local copy of objects with one index; listeners get each change. */
import type { Logger } from "../../shared/base/mod.ts";
import { keyOf } from "./kinds.ts";
import type { KubeObject } from "./objects.ts";

/**
 * One change: an object was added (`old` is undefined), updated, or deleted (`now` is undefined).
 */
export interface ObjectChange<T> {
  /** "namespace/name", or "name" of a cluster-scoped object. */
  key: string;
  now: T | undefined;
  old: T | undefined;
}

/** Is called for each change, in order. Must not throw. */
export type ChangeListener<T> = (change: ObjectChange<T>) => void;

/** Options of {@linkcode ObjectStore}. */
export interface ObjectStoreOptions<T extends KubeObject> {
  /** Gets a line when a listener throws. */
  log: Logger;
  /** Returns the index value of an object, e.g. its node's name; undefined: not in the index. */
  index?: ((object: T) => string | undefined) | undefined;
}

/** Objects by key, and by the value of one index. Its objects are shared: never change them. */
export class ObjectStore<T extends KubeObject> {
  readonly #options: ObjectStoreOptions<T>;
  readonly #objects = new Map<string, T>();
  readonly #index = new Map<string, Map<string, T>>();
  readonly #listeners = new Set<ChangeListener<T>>();

  constructor(options: ObjectStoreOptions<T>) {
    this.#options = options;
  }

  /** Number of objects. */
  get size(): number {
    return this.#objects.size;
  }

  /** Returns an object by its key. */
  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  /** Returns all objects. */
  list(): T[] {
    return [...this.#objects.values()];
  }

  /** Returns the objects with this index value. */
  byIndex(value: string): T[] {
    return [...this.#index.get(value)?.values() ?? []];
  }

  /**
   * Calls the listener for every later change; with `replay`, first for each object as if it were
   * just added. Returns a function that ends the subscription.
   */
  subscribe(
    listener: ChangeListener<T>,
    { replay = false }: { replay?: boolean } = {},
  ): () => void {
    // A wrapper, so that the same function may subscribe twice.
    const own: ChangeListener<T> = (change) => listener(change);
    this.#listeners.add(own);
    if (replay) {
      for (const [key, object] of [...this.#objects]) {
        this.#notify(own, { key, now: object, old: undefined });
      }
    }
    return () => void this.#listeners.delete(own);
  }

  /** Ends all subscriptions. */
  unsubscribeAll(): void {
    this.#listeners.clear();
  }

  /** Stores an object; does nothing when it has the same UID and resourceVersion as before. */
  put(object: T): void {
    const key = keyOf(object);
    const old = this.#objects.get(key);
    const isSame = old?.metadata.uid === object.metadata.uid &&
      old?.metadata.resourceVersion === object.metadata.resourceVersion;
    if (isSame) return;
    this.#objects.set(key, object);
    this.#applyChange({ key, now: object, old });
  }

  /** Removes an object; does nothing when there is none. */
  delete(key: string): void {
    const old = this.#objects.get(key);
    if (old === undefined) return;
    this.#objects.delete(key);
    this.#applyChange({ key, now: undefined, old });
  }

  /** Makes these the only objects: removes all others, then stores each. */
  replaceAll(objects: readonly T[]): void {
    const keys = new Set(objects.map(keyOf));
    for (const key of [...this.#objects.keys()]) {
      if (!keys.has(key)) this.delete(key);
    }
    for (const object of objects) this.put(object);
  }

  #applyChange(change: ObjectChange<T>): void {
    this.#updateIndex(change);
    for (const listener of [...this.#listeners]) this.#notify(listener, change);
  }

  #updateIndex({ key, now, old }: ObjectChange<T>): void {
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
      this.#options.log.error("change listener threw", {
        object: change.key,
        error,
      });
    }
  }
}
