// SPDX-License-Identifier: Apache-2.0
/** An API server that lives in this process: objects, versions, conflicts and watches, so that a test can count every write. */
import { AranyaError } from "../../lib/base/mod.ts";
import {
  keyOf,
  type KubeClient,
  type KubeList,
  type KubeObject,
  type ObjectRef,
  type ObjectType,
  type WatchEvent,
  type WatchOptions,
} from "../../lib/kube/mod.ts";

type Listener = (event: WatchEvent<KubeObject>) => void;

/** One write, e.g. "create secrets" or "patch nodes/status". */
export interface Write {
  what: string;
  key: string;
  body?: unknown;
}

export class MemoryApi implements KubeClient {
  readonly server = "https://memory.test";
  readonly namespace = "home";
  /** All writes so far. */
  readonly writes: Write[] = [];
  /** Set: the next calls of this kind fail with it, e.g. "create secrets". */
  readonly failures = new Map<string, AranyaError>();
  readonly #objects = new Map<string, Map<string, KubeObject>>();
  readonly #listeners = new Map<string, Set<Listener>>();
  #version = 1;

  find<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
  ): Promise<T | undefined> {
    const found = this.#kind(type).get(toKey(ref));
    return Promise.resolve(structuredClone(found) as T | undefined);
  }

  async get<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
  ): Promise<T> {
    return await this.find(type, ref) ?? fail("not_found", type, ref);
  }

  list<T extends KubeObject>(
    type: ObjectType<T>,
    options: { namespace?: string; labelSelector?: string } = {},
  ): Promise<KubeList<T>> {
    const items = [...this.#kind(type).values()].filter((object) =>
      matches(object, options)
    );
    return Promise.resolve({
      metadata: { resourceVersion: String(this.#version) },
      items: structuredClone(items) as T[],
    });
  }

  create<T extends KubeObject>(type: ObjectType<T>, object: T): Promise<T> {
    const key = keyOf(object);
    this.#note(`create ${type.plural}`, key, object);
    if (this.#kind(type).has(key)) {
      return Promise.reject(error("already_exists", type, object.metadata));
    }
    const made = structuredClone(object);
    made.metadata.uid = crypto.randomUUID();
    made.metadata.generation = 1;
    return Promise.resolve(this.#store(type, made, "ADDED"));
  }

  replace<T extends KubeObject>(type: ObjectType<T>, object: T): Promise<T> {
    this.#note(`replace ${type.plural}`, keyOf(object), object);
    return Promise.resolve(
      this.#store(type, structuredClone(object), "MODIFIED"),
    );
  }

  async patch<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
    options: { body: unknown; subresource?: string },
  ): Promise<T> {
    const { body, subresource } = options;
    const what = `patch ${type.plural}${subresource ? `/${subresource}` : ""}`;
    this.#note(what, toKey(ref), body);
    const object = await this.get(type, ref);
    const version = (body as KubeObject).metadata?.resourceVersion;
    if (version && version !== object.metadata.resourceVersion) {
      throw error("conflict", type, ref);
    }
    const merged = merge(object, body) as T;
    if (
      merged.metadata.deletionTimestamp && !merged.metadata.finalizers?.length
    ) return this.#remove(type, merged);
    return this.#store(type, merged, "MODIFIED");
  }

  apply<T extends KubeObject>(type: ObjectType<T>, object: T): Promise<T> {
    return this.patch(type, object.metadata, { body: object });
  }

  async delete<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
    options: { uid?: string | undefined } = {},
  ): Promise<boolean> {
    this.#note(`delete ${type.plural}`, toKey(ref));
    const object = await this.find(type, ref);
    if (!object) return false;
    if (options.uid && options.uid !== object.metadata.uid) {
      throw error("conflict", type, ref);
    }
    if (object.metadata.finalizers?.length) {
      object.metadata.deletionTimestamp = new Date().toISOString();
      this.#store(type, object, "MODIFIED");
    } else this.#remove(type, object);
    return true;
  }

  async *watch<T extends KubeObject>(
    type: ObjectType<T>,
    options: WatchOptions,
  ): AsyncGenerator<WatchEvent<T>> {
    const queue: WatchEvent<KubeObject>[] = [];
    let wake = () => {};
    const listener: Listener = (event) => {
      if ("object" in event && matches(event.object, options)) {
        queue.push(event);
      }
      wake();
    };
    const listeners = this.#listeners.get(type.plural) ?? new Set();
    this.#listeners.set(type.plural, listeners.add(listener));
    for (const object of this.#kind(type).values()) {
      if (
        Number(object.metadata.resourceVersion) >
          Number(options.resourceVersion) && matches(object, options)
      ) queue.push({ type: "ADDED", object: structuredClone(object) });
    }
    options.signal.addEventListener("abort", () => wake(), { once: true });
    try {
      while (!options.signal.aborted) {
        const event = queue.shift();
        if (event) yield event as WatchEvent<T>;
        else await new Promise<void>((resolve) => wake = resolve);
      }
    } finally {
      listeners.delete(listener);
    }
  }

  version(): Promise<{ gitVersion: string }> {
    return Promise.resolve({ gitVersion: "v1.36.3" });
  }

  request(): Promise<unknown> {
    return Promise.reject(new TypeError("Cannot serve raw calls"));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  /** Puts an object there as somebody else would: not counted as a write. */
  put<T extends KubeObject>(type: ObjectType<T>, object: T): T {
    const made = structuredClone(object);
    made.metadata.uid ??= crypto.randomUUID();
    made.metadata.generation ??= 1;
    return this.#store(type, made, "ADDED");
  }

  /** Takes an object away as somebody else would. */
  take(type: ObjectType<KubeObject>, ref: ObjectRef): void {
    const object = this.#kind(type).get(toKey(ref));
    if (object) this.#remove(type, object);
  }

  /** Names of what is there of a kind. */
  names(type: ObjectType<KubeObject>): string[] {
    return [...this.#kind(type).keys()].sort();
  }

  /** How often each kind of write was made since the last call. */
  countWrites(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { what } of this.writes.splice(0)) {
      counts[what] = (counts[what] ?? 0) + 1;
    }
    return counts;
  }

  #kind(type: ObjectType<KubeObject>): Map<string, KubeObject> {
    const found = this.#objects.get(type.plural) ?? new Map();
    this.#objects.set(type.plural, found);
    return found;
  }

  #note(what: string, key: string, body?: unknown): void {
    const failure = this.failures.get(what);
    if (failure) throw failure;
    this.writes.push({ what, key, body });
  }

  #store<T extends KubeObject>(
    type: ObjectType<T>,
    object: T,
    event: "ADDED" | "MODIFIED",
  ): T {
    object.metadata.resourceVersion = String(++this.#version);
    this.#kind(type).set(keyOf(object), object);
    this.#tell(type, { type: event, object: structuredClone(object) });
    return structuredClone(object);
  }

  #remove<T extends KubeObject>(type: ObjectType<T>, object: T): T {
    this.#kind(type).delete(keyOf(object));
    object.metadata.resourceVersion = String(++this.#version);
    this.#tell(type, { type: "DELETED", object: structuredClone(object) });
    return object;
  }

  #tell(type: ObjectType<KubeObject>, event: WatchEvent<KubeObject>): void {
    for (const listener of this.#listeners.get(type.plural) ?? []) {
      listener(event);
    }
  }
}

function toKey({ namespace, name }: ObjectRef): string {
  return namespace ? `${namespace}/${name}` : name;
}

function matches(
  { metadata }: KubeObject,
  { namespace, labelSelector }: {
    namespace?: string | undefined;
    labelSelector?: string | undefined;
  },
): boolean {
  if (namespace !== undefined && metadata.namespace !== namespace) return false;
  return (labelSelector ?? "").split(",").filter((part) => part !== "").every(
    (part) => {
      const [, key = "", not = "", value] = part.match(/^(.*?)(!?)=(.*)$/) ??
        [];
      return (metadata.labels?.[key] === value) !== (not === "!");
    },
  );
}

/** A merge patch; lists of conditions are merged by type, as a strategic patch does. */
function merge(target: unknown, patch: unknown): unknown {
  if (Array.isArray(patch)) {
    const list = patch.filter((item) => !isDirective(item));
    const byType = Array.isArray(target) && list.length > 0 &&
      list.every((item) => item?.lastTransitionTime !== undefined);
    if (!byType) return list;
    const names = new Set(list.map(({ type }) => type));
    const kept = target.filter(({ type }) => !names.has(type));
    return [...kept, ...list.map((item) => merge({}, item))];
  }
  if (patch === null || typeof patch !== "object") return patch;
  const base = target !== null && typeof target === "object" ? target : {};
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else if (value !== undefined) merged[key] = merge(merged[key], value);
  }
  return merged;
}

function isDirective(item: unknown): boolean {
  return item !== null && typeof item === "object" && "$patch" in item;
}

function error(
  code: "already_exists" | "conflict" | "not_found",
  type: ObjectType<KubeObject>,
  ref: ObjectRef,
): AranyaError {
  return new AranyaError(
    code,
    `Cannot reach ${type.kind} "${toKey(ref)}": ${code}`,
  );
}

function fail(
  code: "not_found",
  type: ObjectType<KubeObject>,
  ref: ObjectRef,
): never {
  throw error(code, type, ref);
}
