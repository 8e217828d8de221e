// SPDX-License-Identifier: Apache-2.0
/** What the rooms above see of the API server. */
import type { ObjectType } from "./kinds.ts";
import type { KubeList, KubeObject } from "./objects.ts";

/** One object; `namespace` is left out for what is in none. */
export interface ObjectRef {
  /** Where it is. */
  namespace?: string | undefined;
  /** Its name. */
  name: string;
}

/** Options of every call. */
export interface CallOptions {
  /** Ends the call early. */
  signal?: AbortSignal | undefined;
  /** For the whole call, repetitions included, in milliseconds. @default 30000 */
  timeoutMs?: number;
}

/** Options of calls that write. */
export interface WriteOptions extends CallOptions {
  /** Part of the object, such as "status", "approval" or "token". */
  subresource?: string;
  /** Who owns the fields. @default "aranya" */
  fieldManager?: string;
}

/** Options of {@linkcode KubeClient.list}. */
export interface ListOptions extends CallOptions {
  /** Absent: all namespaces. */
  namespace?: string | undefined;
  /** Only objects with such labels. */
  labelSelector?: string | undefined;
  /** Only objects with such fields, where the API has them. */
  fieldSelector?: string | undefined;
  /** Objects a page. */
  limit?: number;
  /** Where the former page ended. */
  continue?: string;
  /** "0": what the API server has in its cache will do. */
  resourceVersion?: string;
}

/** Options of {@linkcode KubeClient.patch}. */
export interface PatchOptions extends WriteOptions {
  /** How the body is read. @default "merge" */
  kind?: "merge" | "strategic" | "json";
  /** The patch: an object, or for "json" a list of operations. */
  body: unknown;
}

/** Options of {@linkcode KubeClient.apply}. */
export interface ApplyOptions extends WriteOptions {
  /** Takes over fields that others own. @default true */
  force?: boolean;
}

/** Options of {@linkcode KubeClient.delete}. */
export interface DeleteOptions extends CallOptions {
  /** How long what runs may take to end. @default the object's own */
  gracePeriodSeconds?: number;
  /** Delete this very object only; "conflict" when another bears its name now. */
  uid?: string | undefined;
  /** Delete this very version only. */
  resourceVersion?: string | undefined;
  /** What becomes of objects that it owns. */
  propagationPolicy?: "Orphan" | "Background" | "Foreground";
}

/** One change seen by a watch. */
export type WatchEvent<T> =
  | { type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK"; object: T }
  | { type: "ERROR"; code: number; message: string };

/** Options of {@linkcode KubeClient.watch}. */
export interface WatchOptions {
  /** Absent: all namespaces. */
  namespace?: string | undefined;
  /** Only objects with such labels. */
  labelSelector?: string | undefined;
  /** Only objects with such fields, where the API has them. */
  fieldSelector?: string | undefined;
  /** Changes after this one. */
  resourceVersion: string;
  /** The server ends the watch after this long, in seconds. */
  timeoutSeconds: number;
  /** Silence (no change, no bookmark) after which the connection counts as dead, in milliseconds. */
  idleTimeoutMs: number;
  /** Ends the watch. */
  signal: AbortSignal;
}

/**
 * Typed calls to one API server over pooled connections. May be used by many callers at the same time.
 *
 * Every method throws AranyaError: "not_found" (404, 410), "already_exists" and "conflict" (409), "invalid" (400, 422), "forbidden"
 * (403; the text names verb, resource and namespace), "unauthorized" (401), "too_large" (413), "unavailable" when the API server can't be
 * reached or says so (429, 500, 502, 503 after repetition), "timed_out" when it does not answer in time, "cancelled" by the signal.
 */
export interface KubeClient extends AsyncDisposable {
  /** URL of the API server. */
  readonly server: string;
  /** Namespace of the account or of the kubeconfig's context. */
  readonly namespace: string | undefined;
  /** Reads one object. */
  get<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
    options?: CallOptions,
  ): Promise<T>;
  /** Like `get`; undefined when there is none. */
  find<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
    options?: CallOptions,
  ): Promise<T | undefined>;
  /** Reads one page of a list. */
  list<T extends KubeObject>(
    type: ObjectType<T>,
    options?: ListOptions,
  ): Promise<KubeList<T>>;
  /** Creates the object. With `subresource` the object is what is posted there, and the reply what came back. */
  create<T extends KubeObject>(
    type: ObjectType<T>,
    object: T,
    options?: WriteOptions,
  ): Promise<T>;
  /** Replaces the object; `metadata.resourceVersion` guards against others' writes. */
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
  /** Server-side apply: creates or changes, and owns the fields that are named. */
  apply<T extends KubeObject>(
    type: ObjectType<T>,
    object: T,
    options?: ApplyOptions,
  ): Promise<T>;
  /** Starts the deletion. @returns false when there was no such object */
  delete<T extends KubeObject>(
    type: ObjectType<T>,
    ref: ObjectRef,
    options?: DeleteOptions,
  ): Promise<boolean>;
  /** Changes as they happen; ends when the server ends it, throws when the connection is lost or silent. */
  watch<T extends KubeObject>(
    type: ObjectType<T>,
    options: WatchOptions,
  ): AsyncIterable<WatchEvent<T>>;
  /** What the server is, e.g. "v1.36.3". */
  version(options?: CallOptions): Promise<{ gitVersion: string }>;
  /** Any other call; the path begins with "/". Gives the reply's JSON. */
  request(call: RawCall): Promise<unknown>;
}

/** Options of {@linkcode KubeClient.request}. */
export interface RawCall extends CallOptions {
  /** HTTP method. */
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Without the query. */
  path: string;
  /** Keys without a value are left out. */
  query?: Record<string, string | undefined>;
  /** Sent as JSON. */
  body?: unknown;
  /** Of the body. @default "application/json" */
  contentType?: string;
  /** `<verb> <object>`, for the error's text. */
  action: string;
}
