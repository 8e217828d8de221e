// SPDX-License-Identifier: Apache-2.0
/** Local copies of the pods of one namespace, or of all, and of what they refer to. */
import {
  type AranyaError,
  defined,
  hasCode,
  type Logger,
} from "../../shared/base/mod.ts";
import {
  CONFIG_MAP,
  type ConfigMap,
  createInformer,
  type Informer,
  type KubeClient,
  type KubeObject,
  type ObjectChange,
  POD,
  type Pod,
  SECRET,
  type Secret,
  SERVICE,
  type Service,
} from "../kube/mod.ts";

/** Receives changes of the copies. */
export interface CopiesObserver {
  onPodChanged(change: ObjectChange<Pod>): void;
  onRefChanged(
    kind: "ConfigMap" | "Secret",
    object: KubeObject | undefined,
  ): void;
  onServiceChanged(service: Service | undefined): void;
  /** Called when `state` or `hasListedPods` has changed. */
  onStateChanged(): void;
}

/** Options of {@linkcode NamespaceCopies}. */
export interface NamespaceCopiesOptions {
  client: KubeClient;
  /** Undefined: all namespaces. */
  namespace: string | undefined;
  /** Label selector for Secrets and Services. */
  labelSelector?: string | undefined;
  observer: CopiesObserver;
  log: Logger;
}

/** Whether what pods of a namespace refer to could be read. */
export type NamespaceState =
  | { kind: "ready" }
  /** The first lists are not complete yet. */
  | { kind: "syncing" }
  /** The API server refuses the first list of some kind. */
  | { kind: "unreadable"; error: AranyaError };

/**
 * One informer for each kind, so that the operator needs no right to read Secrets of other
 * namespaces. They start with the construction. A namespace that was read once stays "ready": while
 * it can't be read any more, its pods go on with what is known.
 */
export class NamespaceCopies implements AsyncDisposable {
  readonly pods: Informer<Pod>;
  readonly configMaps: Informer<ConfigMap>;
  readonly secrets: Informer<Secret>;
  readonly services: Informer<Service>;
  readonly #options: NamespaceCopiesOptions;
  readonly #log: Logger;
  #isUnreadable = false;
  /** What the observer was notified of last. */
  #notified = "";

  constructor(options: NamespaceCopiesOptions) {
    this.#options = options;
    const { client, namespace, labelSelector, observer, log } = options;
    this.#log = log.with(defined({ namespace }));
    const common = {
      client,
      log,
      namespace,
      onStateChange: () => this.#onStateChange(),
    };
    this.pods = createInformer<Pod>({ ...common, type: POD, index: nodeOf });
    this.configMaps = createInformer<ConfigMap>({
      ...common,
      type: CONFIG_MAP,
      strip: stripConfigMap,
    });
    this.secrets = createInformer<Secret>({
      ...common,
      type: SECRET,
      labelSelector,
      strip: stripSecret,
    });
    this.services = createInformer<Service>({
      ...common,
      type: SERVICE,
      labelSelector,
      strip: stripService,
      index: ({ metadata }) => metadata.namespace,
    });
    this.pods.onChange((change) => observer.onPodChanged(change));
    this.configMaps.onChange(({ now, old }) =>
      observer.onRefChanged("ConfigMap", now ?? old)
    );
    this.secrets.onChange(({ now, old }) =>
      observer.onRefChanged("Secret", now ?? old)
    );
    this.services.onChange(({ now, old }) =>
      observer.onServiceChanged(now ?? old)
    );
  }

  get state(): NamespaceState {
    const unsynced = this.#informers().filter(({ hasSynced }) => !hasSynced);
    const refused = unsynced.find(isRefused);
    if (refused?.failure) return { kind: "unreadable", error: refused.failure };
    return { kind: unsynced.length === 0 ? "ready" : "syncing" };
  }

  /** Whether the pods are known, or the API server refuses to list them. */
  get hasListedPods(): boolean {
    return this.pods.hasSynced || isRefused(this.pods);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#informers().map((informer) => informer[Symbol.asyncDispose]()),
    );
  }

  #informers(): Pick<
    Informer<KubeObject>,
    "hasSynced" | "failure" | typeof Symbol.asyncDispose
  >[] {
    return [this.pods, this.configMaps, this.secrets, this.services];
  }

  #onStateChange(): void {
    const { state } = this;
    const isUnreadable = state.kind === "unreadable";
    if (isUnreadable && !this.#isUnreadable) {
      this.#log.warn("namespace can't be read, its pods are not run", {
        error: state.error,
      });
    } else if (!isUnreadable && this.#isUnreadable) {
      this.#log.info("namespace can be read again");
    }
    this.#isUnreadable = isUnreadable;
    const summary = `${state.kind} ${this.hasListedPods}`;
    if (summary === this.#notified) return;
    this.#notified = summary;
    this.#options.observer.onStateChanged();
  }
}

/** Returns whether the API server refuses list or watch, for want of a right. */
export function isRefused(
  { failure }: Pick<Informer<KubeObject>, "failure">,
): boolean {
  return hasCode(failure, "forbidden");
}

/** Returns the node of a pod. */
export function nodeOf({ spec }: Pod): string | undefined {
  return spec.nodeName;
}

/** Returns only the metadata that is read; labels and annotations of these objects never are. */
function stripMeta({ metadata }: KubeObject): KubeObject["metadata"] {
  const { name, namespace = "", uid = "", resourceVersion = "" } = metadata;
  return { name, namespace, uid, resourceVersion };
}

function stripConfigMap(object: ConfigMap): ConfigMap {
  const { data, binaryData } = object;
  return {
    metadata: stripMeta(object),
    ...defined({ data, binaryData }),
  };
}

/** Drops the data of Helm releases: it may be a megabyte, and no pod reads it. */
function stripSecret(object: Secret): Secret {
  const { type = "", data } = object;
  return {
    metadata: stripMeta(object),
    type,
    ...defined({ data: type === "helm.sh/release.v1" ? undefined : data }),
  };
}

/** Drops all of a Service but its labels, address and ports. */
export function stripService(object: Service): Service {
  const { labels } = object.metadata;
  const { clusterIP, ports } = object.spec ?? {};
  return {
    metadata: {
      ...stripMeta(object),
      ...defined({ labels }),
    },
    spec: {
      ...defined({ clusterIP, ports }),
    },
  };
}
