// SPDX-License-Identifier: Apache-2.0
/** Writes of one device's objects: created once, patched where they differ, and never touched when they are somebody else's. */
import { AranyaError, asAranyaError } from "../../shared/base/mod.ts";
import {
  type EdgeDevice,
  type KubeClient,
  type KubeObject,
  type ObjectType,
  POD,
} from "../kube/mod.ts";
import { ownership } from "./objects.ts";
import type { Trouble } from "./status.ts";

/** How long our own write stands in for an informer that has not seen it. */
const OWN_WRITE_MS = 10_000;

/** Remembers our own last writes until the informers have caught up: nothing is created twice for their delay. */
export class Writer {
  /** Objects of our names that are somebody else's, found since {@linkcode begin}. */
  conflicts: Trouble[] = [];
  #edge: EdgeDevice | undefined;
  readonly #client: KubeClient;
  readonly #objects = new Map<string, { object: KubeObject; atMs: number }>();

  constructor(client: KubeClient) {
    this.#client = client;
  }

  /** A new look, for this state of the EdgeDevice. */
  begin(edge: EdgeDevice): void {
    this.#edge = edge;
    this.conflicts = [];
  }

  /** Whose an object of the device's namespace is. */
  ownership(object: KubeObject): "ours" | "stale" | "foreign" {
    return this.#edge ? ownership(this.#edge, object) : "foreign";
  }

  /** Notes the answer to a write of ours. */
  note(kind: string, object: KubeObject): void {
    this.#objects.set(kind, { object, atMs: performance.now() });
  }

  /** An informer saw that the object is gone. */
  forget(kind: string): void {
    this.#objects.delete(kind);
  }

  /** The newer one of what the informer holds and what we wrote. */
  latest<T extends KubeObject>(
    kind: string,
    stored: T | undefined,
  ): T | undefined {
    const own = this.#objects.get(kind);
    if (!own) return stored;
    const caughtUp = stored
      ? Number(stored.metadata.resourceVersion) >=
        Number(own.object.metadata.resourceVersion)
      : performance.now() - own.atMs > OWN_WRITE_MS;
    if (!caughtUp) return own.object as T;
    this.#objects.delete(kind);
    return stored;
  }

  /** Creates the object when it isn't there, else patches what is not right. */
  async ensure<T extends KubeObject>(type: ObjectType<T>, wanted: T, options: {
    stored: T | undefined;
    patch: (actual: T) => unknown;
    signal: AbortSignal;
  }): Promise<void> {
    const { signal } = options;
    let actual = this.latest(type.kind, options.stored);
    if (actual && this.ownership(actual) === "stale") {
      await this.remove(type, actual, signal);
      actual = undefined;
    }
    actual ??= await this.create(type, wanted, {
      signal,
      ours: (found) => this.ownership(found),
    });
    if (!actual) return;
    const { namespace, name } = wanted.metadata;
    if (this.ownership(actual) !== "ours") {
      return this.addConflict(type.kind, `${namespace}/${name}`);
    }
    const body = options.patch(actual);
    if (body === undefined) return;
    this.note(
      type.kind,
      await this.#client.patch(type, { namespace, name }, { body, signal }),
    );
  }

  /** @returns the new object, or the one that was there when it is ours; undefined: somebody else's, and a NameConflict */
  async create<T extends KubeObject>(type: ObjectType<T>, wanted: T, options: {
    ours: (found: T) => "ours" | "stale" | "foreign";
    signal: AbortSignal;
  }): Promise<T | undefined> {
    const { signal } = options;
    const { namespace, name } = wanted.metadata;
    try {
      const made = await this.#client.create(type, wanted, { signal });
      this.note(type.kind, made);
      return made;
    } catch (error) {
      if (asAranyaError(error, "").code !== "already_exists") throw error;
    }
    const found = await this.#client.find(type, { namespace, name }, {
      signal,
    });
    const whose = found && options.ours(found);
    if (found && whose === "stale") await this.remove(type, found, signal);
    if (!found || whose === "stale") {
      throw new AranyaError(
        "conflict",
        `Cannot create ${type.kind} "${name}": a former one is just being deleted`,
      );
    }
    if (whose === "ours") return found;
    this.addConflict(type.kind, namespace ? `${namespace}/${name}` : name);
    return undefined;
  }

  /** Deletes this very object. */
  async remove(
    type: ObjectType<KubeObject>,
    object: KubeObject,
    signal: AbortSignal,
  ): Promise<void> {
    const { namespace, name, uid } = object.metadata;
    this.forget(type.kind);
    await this.#client.delete(type, { namespace, name }, {
      uid,
      signal,
      ...(type.kind === POD.kind ? { gracePeriodSeconds: 0 } : {}),
    });
  }

  /** Somebody else's object bears a name of ours. */
  addConflict(kind: string, name: string): void {
    this.conflicts.push({
      type: "NameConflict",
      reason: `${kind}Exists`,
      message:
        `Cannot create ${kind} "${name}": one of this name exists that was not made for this device`,
      fatal: true,
    });
  }
}

/** Waits for all; then throws the first failure, if there is one. */
export async function all(tasks: Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(tasks);
  for (const result of results) {
    if (result.status === "rejected") throw result.reason;
  }
}
