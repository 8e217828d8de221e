// SPDX-License-Identifier: Apache-2.0
/** Writes the objects of one device. */
import {
  AranyaError,
  type Clock,
  defined,
  hasCode,
  SYSTEM_CLOCK,
} from "../../shared/base/mod.ts";
import {
  type EdgeDevice,
  isOtherUid,
  keyOf,
  type KubeClient,
  type KubeObject,
  type ObjectType,
  POD,
} from "../kube/mod.ts";
import { type Ownership, ownership, revisionOf } from "./metadata.ts";
import { nameConflict, type ProblemCondition } from "./problems.ts";

/** How long an own write counts as present although the informer has no such object. */
const OWN_WRITE_MS = 10_000;

/** A merge patch, or a strategic merge patch, of an object. */
export interface PatchBody {
  metadata?: Record<string, unknown>;
  [field: string]: unknown;
}

/**
 * Creates objects once, patches them where they differ, and never touches foreign ones. Keeps the
 * result of its own last write of each kind until the informer has caught up, so that nothing is
 * created twice because a watch is late.
 */
export class ObjectWriter {
  /** Foreign objects with a name that the device needs, found since {@linkcode begin}. */
  conflicts: ProblemCondition[] = [];
  readonly #client: KubeClient;
  readonly #clock: Clock;
  /** Set by {@linkcode begin}. */
  #edge: EdgeDevice | undefined;
  /** Last own write of each kind; a device has one object of each. */
  readonly #written = new Map<string, { object: KubeObject; atMs: number }>();

  /** @param options `clock` defaults to the machine's */
  constructor(client: KubeClient, options: { clock?: Clock } = {}) {
    this.#client = client;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
  }

  /** Begins a reconciliation for this state of the EdgeDevice. */
  begin(edge: EdgeDevice): void {
    this.#edge = edge;
    this.conflicts = [];
  }

  /** Returns who an object of the device's namespace belongs to. */
  ownership(object: KubeObject): Ownership {
    return this.#edge ? ownership(this.#edge, object) : "foreign";
  }

  /** Records the result of a write. */
  recordWrite(kind: string, object: KubeObject): void {
    this.#written.set(kind, { object, atMs: this.#clock.monotonicMs() });
  }

  /** Drops the recorded write, because an informer saw that the object was deleted. */
  forgetWrite(kind: string): void {
    this.#written.delete(kind);
  }

  /** Returns the newer one of the informer's object and the own last write. */
  latest<T extends KubeObject>(
    kind: string,
    stored: T | undefined,
  ): T | undefined {
    const own = this.#written.get(kind);
    if (!own) return stored;
    const hasCaughtUp = stored
      ? revisionOf(stored) >= revisionOf(own.object)
      : this.#clock.monotonicMs() - own.atMs > OWN_WRITE_MS;
    if (!hasCaughtUp) return own.object as T;
    this.#written.delete(kind);
    return stored;
  }

  /**
   * Creates the object when it doesn't exist, else applies the patch, if there is one. An object of
   * a deleted EdgeDevice is replaced. Returns the object; undefined for a foreign one, which is
   * reported as a conflict.
   */
  async ensure<T extends KubeObject>(type: ObjectType<T>, desired: T, options: {
    /** The informer's object. */
    stored: T | undefined;
    /** Returns a merge patch, or undefined when the object is up to date. */
    toPatch: (actual: T) => PatchBody | undefined;
    signal: AbortSignal;
  }): Promise<T | undefined> {
    const { signal } = options;
    let actual = this.latest(type.kind, options.stored);
    if (actual && this.ownership(actual) === "stale") {
      await this.delete(type, actual, signal);
      actual = undefined;
    }
    actual ??= await this.create(type, desired, {
      signal,
      ownershipOf: (found) => this.ownership(found),
    });
    if (!actual) return undefined;
    if (this.ownership(actual) !== "ours") {
      this.reportConflict(type.kind, keyOf(desired));
      return undefined;
    }
    const body = options.toPatch(actual);
    return body ? await this.patch(type, actual, { body, signal }) : actual;
  }

  /**
   * Patches this object and no other one of its name, and records the result.
   * @throws {AranyaError} "conflict" when another object has the name by now
   */
  async patch<T extends KubeObject>(type: ObjectType<T>, object: T, options: {
    body: PatchBody;
    /** @default "merge" */
    kind?: "merge" | "strategic";
    subresource?: "status";
    signal: AbortSignal;
  }): Promise<T> {
    const { namespace, name, uid } = object.metadata;
    const { body, ...call } = options;
    try {
      const written = await this.#client.patch(type, { namespace, name }, {
        ...call,
        // The API server refuses another UID.
        body: { ...body, metadata: { ...body.metadata, uid } },
      });
      this.recordWrite(type.kind, written);
      return written;
    } catch (error) {
      if (isOtherUid(error)) this.forgetWrite(type.kind);
      throw error;
    }
  }

  /**
   * Creates an object. When one of this name exists, returns that if it is the device's own, and
   * undefined if it is foreign, which is reported as a conflict.
   * @throws {AranyaError} "conflict" while an object of a deleted EdgeDevice is being removed
   */
  async create<T extends KubeObject>(type: ObjectType<T>, desired: T, options: {
    ownershipOf: (found: T) => Ownership;
    signal: AbortSignal;
  }): Promise<T | undefined> {
    const { signal } = options;
    const { namespace, name } = desired.metadata;
    try {
      const created = await this.#client.create(type, desired, { signal });
      this.recordWrite(type.kind, created);
      return created;
    } catch (error) {
      if (!hasCode(error, "already_exists")) throw error;
    }
    const found = await this.#client.find(type, { namespace, name }, {
      signal,
    });
    const owner = found && options.ownershipOf(found);
    if (found && owner === "stale") await this.delete(type, found, signal);
    if (!found || owner === "stale") {
      throw new AranyaError(
        "conflict",
        `Cannot create ${type.kind} "${name}": a previous one is still being deleted`,
      );
    }
    if (owner === "ours") return found;
    this.reportConflict(type.kind, keyOf(desired));
    return undefined;
  }

  /** Deletes this object and no other one of its name. */
  async delete(
    type: ObjectType<KubeObject>,
    object: KubeObject,
    signal: AbortSignal,
  ): Promise<void> {
    const { namespace, name, uid } = object.metadata;
    this.forgetWrite(type.kind);
    await this.#client.delete(type, { namespace, name }, {
      uid,
      signal,
      ...defined({
        gracePeriodSeconds: type.kind === POD.kind ? 0 : undefined,
      }),
    });
  }

  /** Reports that a foreign object has a name which the device needs. */
  reportConflict(kind: string, name: string): void {
    this.conflicts.push(nameConflict(kind, name));
  }
}
