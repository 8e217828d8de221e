// SPDX-License-Identifier: Apache-2.0
/** Leases in memory, of an API server that can go away on a virtual clock. */
import {
  AranyaError,
  type Clock,
  type ErrorCode,
} from "../../../../lib/shared/base/mod.ts";
import type {
  CallOptions,
  KubeClient,
  KubeObject,
  Lease,
  ObjectRef,
  ObjectType,
} from "../../../../lib/operator/kube/mod.ts";

/** The part of `KubeClient` that leader election uses. */
type ElectionClient = Pick<KubeClient, "find" | "create" | "replace">;

/** How calls fail: at once with a code, or "hang" until their time-out. */
export type Outage = ErrorCode | "hang";

/** Stores Leases with resourceVersions, as the API server does. */
export class LeaseApi {
  readonly #clock: Clock;
  readonly #leases = new Map<string, Lease>();
  #version = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Returns a client; each can lose the API server for itself. */
  connect(): LeaseClient {
    return new LeaseClient(this, this.#clock);
  }

  read(name: string): Lease | undefined {
    return structuredClone(this.#leases.get(name));
  }

  /** Stores a Lease. @throws {AranyaError} code "conflict" for an outdated resourceVersion */
  write(lease: Lease): Lease {
    const { name, resourceVersion } = lease.metadata;
    const current = this.#leases.get(name)?.metadata.resourceVersion;
    if (resourceVersion !== current) {
      throw new AranyaError("conflict", `Cannot update ${name}: it changed`);
    }
    const stored = structuredClone(lease);
    stored.metadata.resourceVersion = String(++this.#version);
    this.#leases.set(name, stored);
    return structuredClone(stored);
  }

  remove(name: string): void {
    this.#leases.delete(name);
  }
}

/** A client of {@linkcode LeaseApi}. */
export class LeaseClient implements ElectionClient {
  /** Set: every call fails like this. */
  outage: Outage | undefined;
  readonly #api: LeaseApi;
  readonly #clock: Clock;

  constructor(api: LeaseApi, clock: Clock) {
    this.#api = api;
    this.#clock = clock;
  }

  async find<T extends KubeObject>(
    _type: ObjectType<T>,
    { name }: ObjectRef,
    options: CallOptions = {},
  ): Promise<T | undefined> {
    await this.#pass(options);
    return this.#api.read(name) as T | undefined;
  }

  async create<T extends KubeObject>(
    _type: ObjectType<T>,
    object: T,
    options: CallOptions = {},
  ): Promise<T> {
    await this.#pass(options);
    if (this.#api.read(object.metadata.name)) {
      throw new AranyaError("already_exists", "Cannot create: it exists");
    }
    return this.#api.write(object as Lease) as KubeObject as T;
  }

  async replace<T extends KubeObject>(
    _type: ObjectType<T>,
    object: T,
    options: CallOptions = {},
  ): Promise<T> {
    await this.#pass(options);
    if (!this.#api.read(object.metadata.name)) {
      throw new AranyaError("not_found", "Cannot update: it does not exist");
    }
    return this.#api.write(object as Lease) as KubeObject as T;
  }

  async #pass({ signal, timeoutMs = 30_000 }: CallOptions): Promise<void> {
    const { outage } = this;
    if (outage === undefined) return;
    if (outage === "hang") {
      await this.#clock.sleep(timeoutMs, signal ? { signal } : {});
    }
    throw new AranyaError(
      outage === "hang" ? "timed_out" : outage,
      "Cannot call the API server: it is away",
    );
  }
}
