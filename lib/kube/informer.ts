// SPDX-License-Identifier: Apache-2.0
/** A local copy of one kind of object, kept up to date by list and watch. */
import type { Logger } from "../base/mod.ts";
import type { KubeClient } from "./api.ts";
import type { ObjectType } from "./kinds.ts";
import type { KubeObject } from "./objects.ts";

/** Told that an object came (`old` undefined), changed, or went (`now` undefined). Must not throw; is called in order. */
export type ChangeListener<T> = (
  key: string,
  now: T | undefined,
  old: T | undefined,
) => void;

/** See {@linkcode createInformer}. Its objects are shared: never change them. */
export interface Informer<T extends KubeObject> extends AsyncDisposable {
  /** Resolves when the first complete list is in; rejects only when the informer is closed before. */
  readonly synced: Promise<void>;
  /** Whether the first complete list is in. */
  readonly hasSynced: boolean;
  /** Object by "namespace/name", or "name" for what is in no namespace. */
  get(key: string): T | undefined;
  /** All objects. */
  list(): T[];
  /** Number of objects. */
  readonly size: number;
  /** Objects whose `index` function gave this value. */
  byIndex(value: string): T[];
  /** Calls for every later change; with `replay` also for what is there now. @returns ends it */
  onChange(
    listener: ChangeListener<T>,
    options?: { replay?: boolean },
  ): () => void;
}

/** Options of {@linkcode createInformer}. */
export interface InformerOptions<T extends KubeObject> {
  client: KubeClient;
  type: ObjectType<T>;
  log: Logger;
  /** Absent: all namespaces. */
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
  /** Keeps only what is used; `metadata.managedFields` is dropped before. */
  strip?: (object: T) => T;
  /** Value of the one index, e.g. the node's name; undefined: in none. */
  index?: (object: T) => string | undefined;
  /** Objects a page. @default 500 */
  pageSize?: number;
  /** Silence after which a watch counts as dead, in milliseconds. @default 150000 */
  idleTimeoutMs?: number;
}

/** Starts an informer. It never throws: troubles are logged once and retried with back-off until it is disposed. */
export function createInformer<T extends KubeObject>(
  _options: InformerOptions<T>,
): Informer<T> {
  throw new TypeError("Cannot create informer: not built yet");
}
