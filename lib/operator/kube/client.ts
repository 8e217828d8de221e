// SPDX-License-Identifier: Apache-2.0
/** The client of the API server: typed calls as paths, bodies and replies over a transport. */
import {
  defined,
  hasCode,
  type Logger,
  type Meter,
  NO_METER,
} from "../../shared/base/mod.ts";
import type {
  CallOptions,
  ConnectionPool,
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
import { type ApiCall, ApiCaller } from "./calls.ts";
import {
  apiVersionOf,
  describeCall,
  type ObjectType,
  pathOf,
  toQuery,
} from "./kinds.ts";
import type { Credentials } from "./credentials.ts";
import { loadKubeconfig } from "./kubeconfig.ts";
import type { KubeList, KubeObject } from "./objects.ts";
import { findProxy, type ProxyEnv } from "./proxy_env.ts";
import { loadServiceAccount } from "./service_account.ts";
import { createTransport, type Transport } from "./transport.ts";
import { readWatch } from "./watch.ts";

/** Options of {@linkcode createKubeClient}. */
export interface KubeClientOptions {
  /**
   * Path of a kubeconfig, or paths of several that are merged. Undefined: the service account of
   * the pod that the program runs in.
   */
  kubeconfigFile?: string | readonly string[] | undefined;
  /** Context of the kubeconfig. @default its `current-context` */
  context?: string | undefined;
  /** "host:port" of the API server within the cluster. @default "kubernetes.default.svc:443" */
  inClusterServer?: string | undefined;
  /** Names the proxy, unless the kubeconfig does. */
  proxyEnv?: ProxyEnv;
  /** Gets a line for each retry, at debug level. */
  log: Logger;
  /** Gets the duration of each call as "aranya_api_call_seconds". */
  meter?: Meter;
}

const FIELD_MANAGER = "aranya";
const SERVICE_ACCOUNT_DIR = "/var/run/secrets/kubernetes.io/serviceaccount";
const IN_CLUSTER_SERVER = "kubernetes.default.svc:443";
const PATCH_TYPES = {
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
};

/**
 * Reads the credentials and creates a client. Nothing is sent yet.
 * @throws {AranyaError} code "invalid" when the kubeconfig or a service account file can't be read
 */
export async function createKubeClient(
  options: KubeClientOptions,
): Promise<KubeClient> {
  const transport = createTransport({
    credentials: await loadCredentials(options),
    load: () => loadCredentials(options),
    userAgent: "aranya",
  });
  const caller = new ApiCaller(transport, {
    log: options.log,
    meter: options.meter ?? NO_METER,
  });
  return new TransportClient(transport, caller);
}

async function loadCredentials(
  options: KubeClientOptions,
): Promise<Credentials> {
  const { kubeconfigFile, context, inClusterServer, proxyEnv = {} } = options;
  const credentials = kubeconfigFile === undefined
    ? await loadServiceAccount({
      dir: SERVICE_ACCOUNT_DIR,
      server: inClusterServer ?? IN_CLUSTER_SERVER,
    })
    : await loadKubeconfig({ files: [kubeconfigFile].flat(), context });
  const proxy = credentials.proxy ?? findProxy(credentials.server, proxyEnv);
  return { ...credentials, ...defined({ proxy }) };
}

class TransportClient implements KubeClient {
  readonly #transport: Transport;
  readonly #caller: ApiCaller;

  constructor(transport: Transport, caller: ApiCaller) {
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
      pool: poolOf(type),
      ...options,
      method: "GET",
      path: pathOf(type, ref),
      action: describeCall("get", { type, ref }),
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
      if (hasCode(error, "not_found")) return undefined;
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
      ...toCallOptions(options),
      method: "GET",
      path: pathOf(type, { namespace }) + query,
      action: describeCall("list", { type, ref: { namespace } }),
    }) as KubeList<T>;
  }

  async create<T extends KubeObject>(
    type: ObjectType<T>,
    object: T,
    options: CallOptions = {},
  ): Promise<T> {
    const { namespace } = object.metadata;
    return await this.#write({
      ...options,
      method: "POST",
      path: pathOf(type, { namespace }),
      type,
      body: withTypeMeta(type, object),
      action: describeCall("create", { type, ref: object.metadata }),
      isRepeatable: isReview(type),
    }) as T;
  }

  async replace<T extends KubeObject>(
    type: ObjectType<T>,
    object: T,
    options: WriteOptions = {},
  ): Promise<T> {
    const { subresource, ...call } = options;
    const ref = object.metadata;
    return await this.#write({
      ...call,
      method: "PUT",
      path: pathOf(type, { ...ref, subresource }),
      type,
      body: withTypeMeta(type, object),
      action: describeCall("update", { type, ref, subresource }),
    }) as T;
  }

  async patch<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
    options: PatchOptions,
  ): Promise<T> {
    const { subresource, kind = "merge", body, ...call } = options;
    return await this.#write({
      ...call,
      method: "PATCH",
      path: pathOf(type, { ...ref, subresource }),
      type,
      body,
      contentType: PATCH_TYPES[kind],
      action: describeCall("patch", { type, ref, subresource }),
    }) as T;
  }

  async delete<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
    options: DeleteOptions = {},
  ): Promise<boolean> {
    const { uid, resourceVersion, gracePeriodSeconds } = options;
    const body = {
      kind: "DeleteOptions",
      apiVersion: "v1",
      gracePeriodSeconds,
      preconditions: uid === undefined && resourceVersion === undefined
        ? undefined
        : { uid, resourceVersion },
    };
    try {
      await this.#caller.send({
        pool: poolOf(type),
        ...toCallOptions(options),
        method: "DELETE",
        path: pathOf(type, ref),
        action: describeCall("delete", { type, ref }),
        body,
      });
      return true;
    } catch (error) {
      if (hasCode(error, "not_found")) return false;
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
      action: describeCall("watch", { type, ref: { namespace } }),
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
    call: ApiCall & { type: ObjectType<KubeObject> },
  ): Promise<unknown> {
    const { type, path, ...rest } = call;
    return this.#caller.send({
      pool: poolOf(type),
      ...rest,
      path: path + toQuery({ fieldManager: FIELD_MANAGER }),
    });
  }
}

/** Returns the options of any call, without those of one method. */
function toCallOptions(options: CallOptions): CallOptions {
  const { signal, timeoutMs, pool } = options;
  return defined({ signal, timeoutMs, pool });
}

/** Returns the pool for a type: the renewal of a Lease must not wait behind other writes. */
function poolOf(type: ObjectType<KubeObject>): ConnectionPool {
  return type.group === "coordination.k8s.io" ? "leases" : "normal";
}

/** Returns whether creating an object only asks the API server something, and stores nothing. */
function isReview(type: ObjectType<KubeObject>): boolean {
  return type.kind.endsWith("Review");
}

/** Returns the object with `apiVersion` and `kind` of its type. */
function withTypeMeta<T extends KubeObject>(type: ObjectType<T>, object: T): T {
  return { ...object, apiVersion: apiVersionOf(type), kind: type.kind };
}
