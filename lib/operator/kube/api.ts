// SPDX-License-Identifier: Apache-2.0
/** The client's interface, in the terms of client-go. */
import type { ObjectType } from "./kinds.ts";
import type { KubeList, KubeObject } from "./objects.ts";

/** Names one object. */
export interface ObjectRef {
  /** Undefined for cluster-scoped objects. */
  namespace?: string | undefined;
  name: string;
}

/** Options of every call. */
export interface CallOptions {
  /** Cancels the call. */
  signal?: AbortSignal | undefined;
  /** Deadline of the call, all retries included, in milliseconds. @default 30000 */
  timeoutMs?: number;
  /** Which connections the call uses. @default "leases" for a Lease, "normal" for all others */
  pool?: ConnectionPool;
}

/**
 * Kind of connections to the API server: separate pools keep a burst of writes, or many watches,
 * from delaying the renewal of Leases, and all of them from delaying that of the leader's.
 */
export type ConnectionPool = "normal" | "leases" | "election" | "watches";

/** Options of calls that change an object. */
export interface WriteOptions extends CallOptions {
  /** "status" or "approval". Undefined: the object itself. */
  subresource?: string;
}

/** Options of {@linkcode KubeClient.list}. */
export interface ListOptions extends CallOptions {
  /** Undefined: all namespaces. */
  namespace?: string | undefined;
  /** E.g. "app=web,tier!=db". */
  labelSelector?: string | undefined;
  /** E.g. "spec.nodeName=edge-1"; each resource supports only some fields. */
  fieldSelector?: string | undefined;
  /** Number of objects per page. Undefined: all in one page. */
  limit?: number;
  /** `metadata.continue` of the previous page. */
  continue?: string;
  /**
   * "0" reads from the API server's watch cache; the result may be stale.
   * Undefined reads the most recent state.
   */
  resourceVersion?: string;
}

/** Options of {@linkcode KubeClient.patch}. */
export interface PatchOptions extends WriteOptions {
  /** JSON merge patch or strategic merge patch. @default "merge" */
  kind?: "merge" | "strategic";
  body: unknown;
}

/** Options of {@linkcode KubeClient.delete}. */
export interface DeleteOptions extends CallOptions {
  /** Undefined: the object's own grace period. */
  gracePeriodSeconds?: number;
  /** Precondition: "conflict" when the object has another UID. */
  uid?: string | undefined;
  /** Precondition: "conflict" when the object has another resourceVersion. */
  resourceVersion?: string | undefined;
}

/**
 * One event of a watch. A BOOKMARK's object has only a resourceVersion. ERROR with code 410 means
 * that the resourceVersion is too old: list again.
 */
export type WatchEvent<T> =
  | { type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK"; object: T }
  | { type: "ERROR"; code: number; message: string };

/** Options of {@linkcode KubeClient.watch}. */
export interface WatchOptions {
  /** Undefined: all namespaces. */
  namespace?: string | undefined;
  /** As in {@linkcode ListOptions}. */
  labelSelector?: string | undefined;
  /** As in {@linkcode ListOptions}. */
  fieldSelector?: string | undefined;
  /** The watch begins after this version, usually that of a list. */
  resourceVersion: string;
  /** The API server ends the watch after this long, in seconds. */
  timeoutSeconds: number;
  /** The watch fails when neither event nor bookmark arrives for this long, in milliseconds. */
  idleTimeoutMs: number;
  /** Ends the watch. */
  signal: AbortSignal;
}

/**
 * Typed calls to one API server over pooled connections. Any number of calls may run at the same
 * time. Calls are retried while the API server is overloaded (429, or 5xx with `Retry-After`).
 *
 * Every method throws {@linkcode AranyaError} with one of these codes:
 * - "not_found" (404, 410), "already_exists" and "conflict" (409), "invalid" (400, 422),
 *   "too_large" (413), "unsupported" (405, 406, 415)
 * - "unauthorized" (401), "forbidden" (403; the text names verb, resource and namespace)
 * - "unavailable" when there is no connection, or the API server answers 429, 500, 502 or 503
 * - "timed_out" at the deadline, or for 408 and 504; "cancelled" when `signal` is aborted
 */
export interface KubeClient extends AsyncDisposable {
  /** URL of the API server. */
  readonly server: string;
  /** Namespace of the service account, or of the kubeconfig's context. */
  readonly namespace: string | undefined;
  /** Reads one object. */
  get<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
    options?: CallOptions,
  ): Promise<T>;
  /** Reads one object; resolves with undefined when it doesn't exist. */
  find<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
    options?: CallOptions,
  ): Promise<T | undefined>;
  /** Reads one page of a list; `metadata.continue` of the result leads to the next page. */
  list<T extends KubeObject>(
    type: ObjectType<T>,
    options?: ListOptions,
  ): Promise<KubeList<T>>;
  /** Creates an object and returns it as stored; of a review, with the result in its status. */
  create<T extends KubeObject>(
    type: ObjectType<T>,
    object: T,
    options?: CallOptions,
  ): Promise<T>;
  /**
   * Replaces an object (PUT). With a `metadata.resourceVersion` that isn't the current one this is
   * a "conflict".
   */
  replace<T extends KubeObject>(
    type: ObjectType<T>,
    object: T,
    options?: WriteOptions,
  ): Promise<T>;
  /** Changes the fields that the patch names. */
  patch<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
    options: PatchOptions,
  ): Promise<T>;
  /**
   * Deletes an object, or marks it for deletion while it has finalizers or a grace period.
   * Resolves with false when it doesn't exist.
   */
  delete<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
    options?: DeleteOptions,
  ): Promise<boolean>;
  /**
   * Yields changes as they happen. Ends when the API server ends the watch; throws when the
   * connection breaks or is idle for too long.
   */
  watch<T extends KubeObject>(
    type: ObjectType<T>,
    options: WatchOptions,
  ): AsyncIterable<WatchEvent<T>>;
  /** Returns the version of the API server, e.g. "v1.36.3". */
  version(options?: CallOptions): Promise<{ gitVersion: string }>;
  /** Sends any other call and returns the JSON value of its reply. */
  request(call: RawCall): Promise<unknown>;
}

/** Options of {@linkcode KubeClient.request}. */
export interface RawCall extends CallOptions {
  /** HTTP method. */
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Begins with "/"; without query. */
  path: string;
  /** Keys whose value is undefined are left out. */
  query?: Record<string, string | undefined>;
  /** Sent as JSON. */
  body?: unknown;
  /** Of the body. @default "application/json" */
  contentType?: string;
  /** `<verb> <object>`, for the error's text. */
  action: string;
}
