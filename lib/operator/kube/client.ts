// SPDX-License-Identifier: Apache-2.0
/** The client: paths, bodies and replies over a transport. */
import {
  AranyaError,
  type Logger,
  type Meter,
  NO_METER,
} from "../../shared/base/mod.ts";
import type {
  ApplyOptions,
  CallOptions,
  DeleteOptions,
  KubeClient,
  ListOptions,
  ObjectRef,
  PatchOptions,
  RawCall,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from "./api.ts";
import { Caller, DEFAULT_TIMEOUT_MS, readWatch } from "./calls.ts";
import {
  apiVersionOf,
  describe,
  type ObjectType,
  pathOf,
  toQuery,
} from "./kinds.ts";
import { loadAccount, loadKubeconfig } from "./kubeconfig.ts";
import type { KubeList, KubeObject } from "./objects.ts";
import { createTransport, type Lane, type Transport } from "./transport.ts";

/** Options of {@linkcode createKubeClient}. */
export interface KubeClientOptions {
  /** Path of a kubeconfig; absent: the account of the pod that we run in. */
  kubeconfigFile?: string | undefined;
  /** Context of the kubeconfig. @default its current one */
  context?: string | undefined;
  /** Folder of the pod's account. @default "/var/run/secrets/kubernetes.io/serviceaccount" */
  accountDir?: string | undefined;
  /** host:port of the API server for a pod's account. @default "kubernetes.default.svc:443" */
  inClusterServer?: string | undefined;
  /** How we name ourselves. @default "aranya" */
  userAgent?: string;
  /** Where waits and repetitions are noted. */
  log: Logger;
  /** Takes the duration of each call. */
  meter?: Meter;
}

const FIELD_MANAGER = "aranya";
const PATCH_TYPES = {
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
  json: "application/json-patch+json",
};

/**
 * Reads the credentials and makes a client; nothing is sent yet.
 * @throws {AranyaError} code "invalid" when the kubeconfig or account files can't be read or make no sense
 */
export async function createKubeClient(
  options: KubeClientOptions,
): Promise<KubeClient> {
  const { kubeconfigFile } = options;
  const load = () =>
    kubeconfigFile === undefined
      ? loadAccount({
        dir: options.accountDir ??
          "/var/run/secrets/kubernetes.io/serviceaccount",
        server: options.inClusterServer ?? "kubernetes.default.svc:443",
      })
      : loadKubeconfig({ file: kubeconfigFile, context: options.context });
  const transport = createTransport({
    credentials: await load(),
    load,
    userAgent: options.userAgent ?? "aranya",
  });
  const caller = new Caller(transport, {
    log: options.log,
    meter: options.meter ?? NO_METER,
  });
  return new Client(transport, caller);
}

class Client implements KubeClient {
  readonly #transport: Transport;
  readonly #caller: Caller;

  constructor(transport: Transport, caller: Caller) {
    this.#transport = transport;
    this.#caller = caller;
  }

  get server(): string {
    return this.#transport.credentials.server;
  }

  get namespace(): string | undefined {
    return this.#transport.credentials.namespace;
  }

  async get<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
    options: CallOptions = {},
  ): Promise<T> {
    return await this.#caller.send({
      ...options,
      method: "GET",
      path: pathOf(type, ref),
      action: describe("get", { type, ref }),
      lane: laneOf(type),
    }) as T;
  }

  async find<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
    options: CallOptions = {},
  ): Promise<T | undefined> {
    try {
      return await this.get(type, ref, options);
    } catch (error) {
      if (error instanceof AranyaError && error.code === "not_found") {
        return undefined;
      }
      throw error;
    }
  }

  async list<T extends KubeObject>(
    type: ObjectType<T>,
    options: ListOptions = {},
  ): Promise<KubeList<T>> {
    const { namespace } = options;
    const query = toQuery({
      labelSelector: options.labelSelector,
      fieldSelector: options.fieldSelector,
      limit: options.limit?.toString(),
      continue: options.continue,
      resourceVersion: options.resourceVersion,
    });
    return await this.#caller.send({
      signal: options.signal,
      timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      method: "GET",
      path: pathOf(type, { namespace }) + query,
      action: describe("list", { type, ref: { namespace } }),
    }) as KubeList<T>;
  }

  async create<T extends KubeObject>(
    type: ObjectType<T>,
    object: T,
    options: WriteOptions = {},
  ): Promise<T> {
    const { subresource } = options;
    const { namespace, name } = object.metadata;
    const path = subresource === undefined
      ? pathOf(type, { namespace })
      : pathOf(type, { namespace, name, subresource });
    return await this.#write("POST", {
      type,
      path,
      options,
      ref: object.metadata,
      verb: "create",
      body: subresource === undefined ? withKind(type, object) : object,
    }) as T;
  }

  async replace<T extends KubeObject>(
    type: ObjectType<T>,
    object: T,
    options: WriteOptions = {},
  ): Promise<T> {
    const { subresource } = options;
    return await this.#write("PUT", {
      type,
      path: pathOf(type, { ...object.metadata, subresource }),
      options,
      ref: object.metadata,
      verb: "update",
      body: withKind(type, object),
    }) as T;
  }

  async patch<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
    options: PatchOptions,
  ): Promise<T> {
    const { subresource } = options;
    return await this.#write("PATCH", {
      type,
      path: pathOf(type, { ...ref, subresource }),
      options,
      ref,
      verb: "patch",
      body: options.body,
      contentType: PATCH_TYPES[options.kind ?? "merge"],
    }) as T;
  }

  async apply<T extends KubeObject>(
    type: ObjectType<T>,
    object: T,
    options: ApplyOptions = {},
  ): Promise<T> {
    const { subresource, force = true } = options;
    return await this.#write("PATCH", {
      type,
      path: pathOf(type, { ...object.metadata, subresource }),
      query: { force: String(force) },
      options,
      ref: object.metadata,
      verb: "apply",
      body: withKind(type, object),
      contentType: "application/apply-patch+yaml",
    }) as T;
  }

  async delete<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
    options: DeleteOptions = {},
  ): Promise<boolean> {
    const { uid, resourceVersion, gracePeriodSeconds, propagationPolicy } =
      options;
    const body = {
      kind: "DeleteOptions",
      apiVersion: "v1",
      gracePeriodSeconds,
      propagationPolicy,
      ...(uid === undefined && resourceVersion === undefined
        ? {}
        : { preconditions: { uid, resourceVersion } }),
    };
    try {
      await this.#caller.send({
        signal: options.signal,
        timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
        method: "DELETE",
        path: pathOf(type, ref),
        action: describe("delete", { type, ref }),
        body,
        lane: laneOf(type),
      });
      return true;
    } catch (error) {
      if (error instanceof AranyaError && error.code === "not_found") {
        return false;
      }
      throw error;
    }
  }

  watch<T extends KubeObject>(
    type: ObjectType<T>,
    options: WatchOptions,
  ): AsyncIterable<WatchEvent<T>> {
    const { namespace } = options;
    return readWatch<T>(this.#transport, {
      path: pathOf(type, { namespace }) + toQuery({
        watch: "true",
        allowWatchBookmarks: "true",
        labelSelector: options.labelSelector,
        fieldSelector: options.fieldSelector,
        resourceVersion: options.resourceVersion,
        timeoutSeconds: String(options.timeoutSeconds),
      }),
      action: describe("watch", { type, ref: { namespace } }),
      idleTimeoutMs: options.idleTimeoutMs,
      signal: options.signal,
    });
  }

  async version(options: CallOptions = {}): Promise<{ gitVersion: string }> {
    return await this.#caller.send({
      ...options,
      method: "GET",
      path: "/version",
      action: "get the API server's version",
    }) as { gitVersion: string };
  }

  request(call: RawCall): Promise<unknown> {
    const { query = {}, path, ...rest } = call;
    return this.#caller.send({ ...rest, path: path + toQuery(query) });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#transport.close();
    return Promise.resolve();
  }

  #write(
    method: "POST" | "PUT" | "PATCH",
    write: {
      type: ObjectType<KubeObject>;
      path: string;
      query?: Record<string, string>;
      options: WriteOptions;
      ref: ObjectRef;
      verb: string;
      body: unknown;
      contentType?: string;
    },
  ): Promise<unknown> {
    const { type, options, ref } = write;
    const { subresource, fieldManager = FIELD_MANAGER } = options;
    return this.#caller.send({
      signal: options.signal,
      timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      method,
      path: write.path + toQuery({ ...write.query, fieldManager }),
      action: describe(write.verb, { type, ref, subresource }),
      body: write.body,
      contentType: write.contentType,
      lane: laneOf(type),
    });
  }
}

/** Leases are small and must not wait behind a burst of other writes. */
function laneOf(type: ObjectType<KubeObject>): Lane {
  return type.group === "coordination.k8s.io" ? "urgent" : "normal";
}

function withKind<T extends KubeObject>(type: ObjectType<T>, object: T): T {
  return { ...object, apiVersion: apiVersionOf(type), kind: type.kind };
}
