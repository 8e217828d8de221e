// SPDX-License-Identifier: Apache-2.0
/** A client of a real API server that counts its writes, in a namespace of its own. */
import type { AranyaError } from "../../../lib/shared/base/mod.ts";
import { SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import { NAMESPACE_LABEL } from "../../../lib/operator/device/mod.ts";
import {
  createKubeClient,
  keyOf,
  type KubeClient,
  type KubeList,
  type KubeObject,
  LEASE,
  NODE,
  type ObjectRef,
  type ObjectType,
  pathOf,
  type WatchEvent,
  type WatchOptions,
} from "../../../lib/operator/kube/mod.ts";
import { NAMESPACE, SERVICE_ACCOUNT } from "./kinds.ts";
import { clusterOfFile } from "../../_support/cluster.ts";

const cluster = clusterOfFile();

type Options<Method extends keyof KubeClient> = KubeClient[Method] extends
  (...args: infer Args) => unknown ? Args : never;

/** One write of the client. */
export interface Write {
  /** Verb and resource, e.g. "create secrets" or "patch nodes/status". */
  what: string;
  key: string;
  body?: unknown;
}

/**
 * Counts the calls of `KubeClient` methods that write. `putObject`, `deleteObject`, `patchObject`
 * and `listKeys` stand for another client, and are not counted.
 */
export class CountingApi implements KubeClient {
  readonly server: string;
  readonly namespace: string;
  /** A name that no other test uses: Nodes and Leases of all tests share their namespace. */
  readonly name: string;
  /** All writes so far. */
  readonly writes: Write[] = [];
  /** Calls of these kinds fail with this error; keys as `Write.what`, or "find secrets". */
  readonly failures = new Map<string, AranyaError>();
  readonly #client: KubeClient;
  readonly #suffix: string;

  private constructor(client: KubeClient, suffix: string) {
    this.#client = client;
    this.#suffix = suffix;
    this.server = client.server;
    this.namespace = `home-${suffix}`;
    this.name = `edge-${suffix}`;
  }

  /** Connects and creates the namespace. */
  static async open(): Promise<CountingApi> {
    const client = await createKubeClient({
      kubeconfigFile: cluster.kubeconfig,
      log: SILENT_LOGGER,
    });
    const api = new CountingApi(client, crypto.randomUUID().slice(0, 8));
    await api.createNamespace(api.namespace);
    return api;
  }

  /** Creates a namespace with the ServiceAccount that pods need. */
  async createNamespace(name: string): Promise<void> {
    await this.#client.create(NAMESPACE, { metadata: { name } });
    await this.#client.create(SERVICE_ACCOUNT, {
      metadata: { namespace: name, name: "default" },
    });
  }

  get<T extends KubeObject>(type: ObjectType<T>, ref: ObjectRef): Promise<T> {
    return this.#client.get(type, ref);
  }

  async find<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
    options?: Options<"find">[2],
  ): Promise<T | undefined> {
    // Only what is under test passes options.
    const failure = options && this.failures.get(`find ${type.plural}`);
    if (failure) throw failure;
    return await this.#client.find(type, ref);
  }

  list<T extends KubeObject>(
    type: ObjectType<T>,
    options?: Options<"list">[1],
  ): Promise<KubeList<T>> {
    return this.#client.list(type, options);
  }

  watch<T extends KubeObject>(
    type: ObjectType<T>,
    options: WatchOptions,
  ): AsyncIterable<WatchEvent<T>> {
    return this.#client.watch(type, options);
  }

  async create<T extends KubeObject>(
    type: ObjectType<T>,
    object: T,
    options?: Options<"create">[2],
  ): Promise<T> {
    this.#recordWrite({
      verb: "create",
      type,
      ref: object.metadata,
      body: object,
    });
    return await this.#client.create(type, object, options);
  }

  async replace<T extends KubeObject>(
    type: ObjectType<T>,
    object: T,
    options?: Options<"replace">[2],
  ): Promise<T> {
    this.#recordWrite({
      verb: "replace",
      type,
      ref: object.metadata,
      body: object,
    });
    return await this.#client.replace(type, object, options);
  }

  async patch<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
    options: Options<"patch">[2],
  ): Promise<T> {
    this.#recordWrite({ verb: "patch", type, ref, ...options });
    return await this.#client.patch(type, ref, options);
  }

  async delete<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
    options?: Options<"delete">[2],
  ): Promise<boolean> {
    this.#recordWrite({ verb: "delete", type, ref });
    return await this.#client.delete(type, ref, options);
  }

  version(): Promise<{ gitVersion: string }> {
    return this.#client.version();
  }

  request(call: Options<"request">[0]): Promise<unknown> {
    return this.#client.request(call);
  }

  /** Deletes Nodes and Leases, which live outside the namespace, and closes the client. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const type of [NODE, LEASE] as ObjectType<KubeObject>[]) {
      await this.#client.request({
        method: "DELETE",
        path: pathOf(type, { namespace: "kube-node-lease" }),
        query: { labelSelector: `${NAMESPACE_LABEL}=${this.namespace}` },
        action: `clean up ${type.plural}`,
      });
    }
    await this.#client[Symbol.asyncDispose]();
  }

  /** Creates the object with its status, or replaces the one of that name. */
  async putObject<T extends KubeObject & { status?: unknown }>(
    type: ObjectType<T>,
    object: T,
  ): Promise<T> {
    const found = await this.#client.find(type, object.metadata);
    const { resourceVersion } = found?.metadata ?? {};
    const made = found && resourceVersion
      ? await this.#client.replace(type, {
        ...object,
        metadata: { ...object.metadata, resourceVersion },
      })
      : await this.#client.create(type, object);
    if (object.status === undefined) return made;
    return await this.#client.patch(type, object.metadata, {
      body: { status: object.status },
      subresource: "status",
    });
  }

  /** Changes an object with a merge patch. */
  patchObject<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
    body: unknown,
  ): Promise<T> {
    return this.#client.patch(type, ref, { body });
  }

  /** Deletes an object without grace; one with a finalizer stays until that is removed. */
  async deleteObject(
    type: ObjectType<KubeObject>,
    ref: ObjectRef,
  ): Promise<void> {
    await this.#client.delete(type, ref, { gracePeriodSeconds: 0 });
  }

  /**
   * Returns the sorted keys of all objects of a kind in this namespace, or with this test's names.
   */
  async listKeys(type: ObjectType<KubeObject>): Promise<string[]> {
    const { items } = await this.#client.list(type);
    return items.filter(({ metadata }) =>
      metadata.namespace === this.namespace ||
      metadata.name.includes(this.#suffix)
    ).map(keyOf).sort();
  }

  /** Returns how often each kind of write was made since the last call. */
  takeWriteCounts(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { what } of this.writes.splice(0)) {
      counts[what] = (counts[what] ?? 0) + 1;
    }
    return counts;
  }

  #recordWrite({ verb, type, ref, body, subresource }: {
    verb: string;
    type: ObjectType<KubeObject>;
    ref: ObjectRef;
    body?: unknown;
    subresource?: string | undefined;
  }): void {
    const part = subresource ? `/${subresource}` : "";
    const what = `${verb} ${type.plural}${part}`;
    const failure = this.failures.get(what);
    if (failure) throw failure;
    this.writes.push({ what, key: toKey(ref), body });
  }
}

/**
 * Returns "namespace/name", or the name of an object without namespace; like `keyOf` of an object.
 */
export function toKey({ namespace, name }: ObjectRef): string {
  return namespace ? `${namespace}/${name}` : name;
}
