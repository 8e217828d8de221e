// SPDX-License-Identifier: Apache-2.0
/** Local copies of pods and of what they refer to, shared by the pod controllers of all devices. */
import { defined, type Logger } from "../../shared/base/mod.ts";
import {
  CONFIG_MAP,
  type ConfigMap,
  createInformer,
  type Informer,
  keyOf,
  type KubeClient,
  type KubeObject,
  type ObjectType,
  POD,
  type Pod,
  SECRET,
  type Secret,
  SERVICE,
  type Service,
} from "../kube/mod.ts";
import { refKey } from "../podspec/mod.ts";
import {
  type EnqueuePod,
  type PodSubscription,
  PodSubscriptions,
} from "./subscriptions.ts";

/** Options of {@linkcode InformerPodSources}. */
export interface PodSourcesOptions {
  client: KubeClient;
  /** Namespaces whose pods are run; "*": all. */
  namespaces: readonly string[] | "*";
  /**
   * Label selector for Secrets and Services. It can exclude those made for devices, which are
   * numerous and no concern of pods. @default all
   */
  labelSelector?: string;
  /** Returns whether a Service must not appear in pods' environments. @default none is hidden */
  isHiddenService?: (service: Service) => boolean;
  log: Logger;
}

/** Reads pods and the objects that they refer to, and notifies of changes. */
export interface PodSources extends AsyncDisposable {
  /** Resolves when every informer has its first list. */
  readonly synced: Promise<void>;
  /** Whether every informer has its first list. */
  readonly hasSynced: boolean;
  /** Returns whether pods of this namespace are run. */
  serves(namespace: string): boolean;
  /**
   * Returns a pod by "namespace/name". Of a namespace that is not served, only Pending pods are
   * known.
   */
  findPod(key: string): Pod | undefined;
  /** Returns the pods that are bound to a node, in served namespaces or not. */
  listPods(node: string): Pod[];
  /** Returns a ConfigMap of a served namespace. */
  findConfigMap(namespace: string, name: string): ConfigMap | undefined;
  /** Returns a Secret of a served namespace. */
  findSecret(namespace: string, name: string): Secret | undefined;
  /**
   * Returns the Services of a served namespace, hidden ones excluded. Of "default" the API server's
   * Service is known even when the namespace is not served.
   */
  listServices(namespace: string): Service[];
  /**
   * Enqueues the pods of a node: now those that exist, later those that have changed, and those
   * that depend on a changed object.
   */
  subscribe(node: string, enqueue: EnqueuePod): PodSubscription;
}

/** Services change in groups, and containers see the change only when they start again. */
const SERVICE_DELAY_MS = 10_000;
/** Pods that no operator runs stay Pending, so a watch of this phase stays small. */
const PENDING_SELECTOR = "status.phase=Pending,spec.nodeName!=";

/** Local copies of one namespace, or of all. */
interface NamespaceCopies {
  pods: Informer<Pod>;
  configMaps: Informer<ConfigMap>;
  secrets: Informer<Secret>;
  services: Informer<Service>;
}

/**
 * Sources with one informer per kind and served namespace, so that the operator needs no right to
 * read Secrets of others. Informers start with the construction.
 */
export class InformerPodSources implements PodSources {
  readonly synced: Promise<void>;
  readonly #options: PodSourcesOptions;
  /** By namespace; "*" alone when all are served. */
  readonly #copies = new Map<string, NamespaceCopies>();
  /** Pending pods of all namespaces; undefined when all are served. */
  readonly #pendingPods: Informer<Pod> | undefined;
  /** The API server's own Service; undefined when its namespace is served. */
  readonly #apiServerService: Informer<Service> | undefined;
  readonly #subscriptions = new PodSubscriptions();

  constructor(options: PodSourcesOptions) {
    this.#options = options;
    const { namespaces } = options;
    const served = namespaces === "*" ? ["*"] : new Set(namespaces);
    for (const name of served) {
      const namespace = name === "*" ? undefined : name;
      this.#copies.set(name, this.#openCopies(namespace));
    }
    if (namespaces !== "*") this.#pendingPods = this.#openPendingPods();
    if (!this.serves("default")) {
      this.#apiServerService = this.#createInformer(SERVICE, {
        namespace: "default",
        fieldSelector: "metadata.name=kubernetes",
        strip: stripService,
      });
      this.#apiServerService.onChange(() => this.#onServiceChanged("default"));
    }
    this.synced = this.#whenSynced();
    // Closing before the first list must not count as an unhandled rejection.
    this.synced.catch(() => {});
  }

  get hasSynced(): boolean {
    return this.#servedInformers().every(({ hasSynced }) => hasSynced);
  }

  serves(namespace: string): boolean {
    const { namespaces } = this.#options;
    return namespaces === "*" || namespaces.includes(namespace);
  }

  findPod(key: string): Pod | undefined {
    const copies = this.#copiesOf(key.slice(0, key.indexOf("/")));
    return copies ? copies.pods.get(key) : this.#pendingPods?.get(key);
  }

  listPods(node: string): Pod[] {
    const pending = this.#pendingPods?.byIndex(node) ?? [];
    return [
      ...[...this.#copies.values()].flatMap(({ pods }) => pods.byIndex(node)),
      ...pending.filter(({ metadata }) =>
        !this.serves(metadata.namespace ?? "")
      ),
    ];
  }

  findConfigMap(namespace: string, name: string): ConfigMap | undefined {
    return this.#copiesOf(namespace)?.configMaps.get(`${namespace}/${name}`);
  }

  findSecret(namespace: string, name: string): Secret | undefined {
    return this.#copiesOf(namespace)?.secrets.get(`${namespace}/${name}`);
  }

  listServices(namespace: string): Service[] {
    const { isHiddenService } = this.#options;
    const services = this.#copiesOf(namespace)?.services.byIndex(namespace) ??
      (namespace === "default" ? this.#apiServerService?.list() : undefined) ??
      [];
    return isHiddenService
      ? services.filter((service) => !isHiddenService(service))
      : services;
  }

  subscribe(node: string, enqueue: EnqueuePod): PodSubscription {
    const subscription = this.#subscriptions.add(node, enqueue);
    for (const pod of this.listPods(node)) enqueue(keyOf(pod));
    return subscription;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [
      ...this.#servedInformers(),
      this.#pendingPods,
      this.#apiServerService,
    ];
    await Promise.all(all.map((one) => one?.[Symbol.asyncDispose]()));
  }

  async #whenSynced(): Promise<void> {
    await Promise.all(this.#servedInformers().map(({ synced }) => synced));
  }

  #copiesOf(namespace: string): NamespaceCopies | undefined {
    return this.#copies.get("*") ?? this.#copies.get(namespace);
  }

  /** Informers that a sync waits for; pods of other namespaces and Services may come later. */
  #servedInformers(): Informer<KubeObject>[] {
    // The cast forgets which objects an informer holds, which its state does not depend on.
    return [...this.#copies.values()].flatMap((copies) =>
      Object.values(copies) as unknown as Informer<KubeObject>[]
    );
  }

  #openCopies(namespace: string | undefined): NamespaceCopies {
    const { labelSelector, isHiddenService } = this.#options;
    const copies: NamespaceCopies = {
      pods: this.#createInformer(POD, { namespace, index: nodeOf }),
      configMaps: this.#createInformer(CONFIG_MAP, {
        namespace,
        strip: stripConfigMap,
      }),
      secrets: this.#createInformer(SECRET, {
        namespace,
        labelSelector,
        strip: stripSecret,
      }),
      services: this.#createInformer(SERVICE, {
        namespace,
        labelSelector,
        strip: stripService,
        index: ({ metadata }) => metadata.namespace,
      }),
    };
    copies.pods.onChange(({ key, now, old }) =>
      this.#onPodChanged(key, { now, old })
    );
    copies.configMaps.onChange(({ now, old }) =>
      this.#onRefChanged("ConfigMap", now ?? old)
    );
    copies.secrets.onChange(({ now, old }) =>
      this.#onRefChanged("Secret", now ?? old)
    );
    copies.services.onChange(({ now, old }) => {
      const service = now ?? old;
      if (service && isHiddenService?.(service)) return;
      this.#onServiceChanged(service?.metadata.namespace ?? "");
    });
    return copies;
  }

  #openPendingPods(): Informer<Pod> {
    const pods = this.#createInformer(POD, {
      fieldSelector: PENDING_SELECTOR,
      index: nodeOf,
    });
    pods.onChange(({ key, now, old }) => {
      const { namespace = "" } = (now ?? old)?.metadata ?? {};
      // Pods of served namespaces have an informer of their own.
      if (!this.serves(namespace)) this.#onPodChanged(key, { now, old });
    });
    return pods;
  }

  #createInformer<T extends KubeObject>(
    type: ObjectType<T>,
    options: {
      namespace?: string | undefined;
      fieldSelector?: string;
      labelSelector?: string | undefined;
      strip?: (object: T) => T;
      index?: (object: T) => string | undefined;
    },
  ): Informer<T> {
    const { client, log } = this.#options;
    return createInformer({ client, log, type, ...options });
  }

  #onPodChanged(
    key: string,
    { now, old }: { now: Pod | undefined; old: Pod | undefined },
  ): void {
    for (const node of new Set([now?.spec.nodeName, old?.spec.nodeName])) {
      this.#subscriptions.enqueuePod(node, key);
    }
  }

  #onRefChanged(
    kind: "ConfigMap" | "Secret",
    object: KubeObject | undefined,
  ): void {
    const { namespace = "", name = "" } = object?.metadata ?? {};
    const ref = refKey(kind, { namespace, name });
    this.#subscriptions.enqueueDependents(ref, { afterMs: 0 });
  }

  #onServiceChanged(namespace: string): void {
    const ref = refKey("Services", { namespace });
    this.#subscriptions.enqueueDependents(ref, { afterMs: SERVICE_DELAY_MS });
  }
}

function nodeOf({ spec }: Pod): string | undefined {
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

function stripService(object: Service): Service {
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
