// SPDX-License-Identifier: Apache-2.0
/** Local copies of pods and of what they refer to, shared by the pod controllers of all devices. */
import { AranyaError, type Logger } from "../../shared/base/mod.ts";
import {
  type ConfigMap,
  createInformer,
  type Informer,
  keyOf,
  type KubeClient,
  type KubeObject,
  type ObjectChange,
  POD,
  type Pod,
  type Secret,
  SERVICE,
  type Service,
} from "../kube/mod.ts";
import { refKey } from "../podspec/mod.ts";
import {
  type CopiesObserver,
  isRefused,
  NamespaceCopies,
  type NamespaceState,
  nodeOf,
  stripService,
} from "./namespace_copies.ts";
import {
  type PodSubscriber,
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
  /**
   * Returns whether what pods of this namespace refer to could be read: each namespace has a state
   * of its own, so that one which is forbidden or absent does not concern the others.
   */
  stateOf(namespace: string): NamespaceState;
  /**
   * Resolves when a namespace is ready or can't be read.
   * @throws {AranyaError} code "cancelled" when the sources are disposed before
   */
  whenSettled(namespace: string): Promise<void>;
  /**
   * Returns whether the pods of a namespace are known, or the API server refuses to list them.
   * Without a namespace: of all that are served.
   */
  hasListedPods(namespace?: string): boolean;
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
  subscribe(node: string, subscriber: PodSubscriber): PodSubscription;
}

/**
 * Containers see a changed Service when they start again. Within this time the change is sent to
 * the devices, so that a Service that changes often costs a metered link little.
 */
const SERVICE_INTERVAL_MS = 600_000;
/** Pods that no operator runs stay Pending, so a watch of this phase stays small. */
const PENDING_SELECTOR = "status.phase=Pending,spec.nodeName!=";

/**
 * Sources with one informer per kind and served namespace, so that the operator needs no right to
 * read Secrets of others. Informers start with the construction.
 */
export class InformerPodSources implements PodSources {
  readonly #options: PodSourcesOptions;
  /** By namespace; "*" alone when all are served. */
  readonly #copies = new Map<string, NamespaceCopies>();
  /** Pending pods of all namespaces; undefined when all are served. */
  readonly #pendingPods: Informer<Pod> | undefined;
  /** The API server's own Service; undefined when its namespace is served. */
  readonly #apiServerService: Informer<Service> | undefined;
  readonly #subscriptions = new PodSubscriptions();
  /** Ends of calls of `whenSettled`. */
  readonly #waiters = new Set<
    { namespace: string; resolve(): void; reject(error: AranyaError): void }
  >();

  constructor(options: PodSourcesOptions) {
    this.#options = options;
    const { client, namespaces, labelSelector, log } = options;
    const served = namespaces === "*" ? ["*"] : new Set(namespaces);
    const observer = this.#createObserver();
    for (const name of served) {
      const namespace = name === "*" ? undefined : name;
      const copies = { client, namespace, labelSelector, observer, log };
      this.#copies.set(name, new NamespaceCopies(copies));
    }
    if (namespaces !== "*") this.#pendingPods = this.#openPendingPods();
    if (!this.serves("default")) {
      this.#apiServerService = this.#openApiServerService();
    }
  }

  stateOf(namespace: string): NamespaceState {
    const state = this.#copiesOf(namespace)?.state ?? { kind: "ready" };
    const service = this.#apiServerService;
    // It is part of every pod's environment: without it each pod would be sent twice.
    const isServiceKnown = !service || service.hasSynced || isRefused(service);
    return state.kind === "ready" && !isServiceKnown
      ? { kind: "syncing" }
      : state;
  }

  async whenSettled(namespace: string): Promise<void> {
    if (this.stateOf(namespace).kind !== "syncing") return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiters.add({ namespace, resolve, reject });
    await promise;
  }

  hasListedPods(namespace?: string): boolean {
    if (namespace !== undefined) {
      return this.#copiesOf(namespace)?.hasListedPods ?? true;
    }
    return [...this.#copies.values()].every((copies) => copies.hasListedPods);
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

  subscribe(node: string, subscriber: PodSubscriber): PodSubscription {
    const subscription = this.#subscriptions.add(node, subscriber);
    for (const pod of this.listPods(node)) subscriber.enqueue(keyOf(pod));
    return subscription;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { reject } of this.#waiters) {
      reject(
        new AranyaError("cancelled", "Cannot list pods: sources were closed"),
      );
    }
    this.#waiters.clear();
    const all = [
      ...this.#copies.values(),
      this.#pendingPods,
      this.#apiServerService,
    ];
    await Promise.all(all.map((one) => one?.[Symbol.asyncDispose]()));
  }

  #copiesOf(namespace: string): NamespaceCopies | undefined {
    return this.#copies.get("*") ?? this.#copies.get(namespace);
  }

  #createObserver(): CopiesObserver {
    return {
      onPodChanged: (change) => this.#onPodChanged(change),
      onRefChanged: (kind, object) => this.#onRefChanged(kind, object),
      onServiceChanged: (service) => {
        if (service && this.#options.isHiddenService?.(service)) return;
        this.#onServiceChanged(service?.metadata.namespace ?? "");
      },
      onStateChanged: () => this.#onStateChanged(),
    };
  }

  #openPendingPods(): Informer<Pod> {
    const { client, log } = this.#options;
    const pods = createInformer<Pod>({
      client,
      log,
      type: POD,
      fieldSelector: PENDING_SELECTOR,
      index: nodeOf,
    });
    pods.onChange((change) => {
      const { namespace = "" } = (change.now ?? change.old)?.metadata ?? {};
      // Pods of served namespaces have an informer of their own.
      if (!this.serves(namespace)) this.#onPodChanged(change);
    });
    return pods;
  }

  #openApiServerService(): Informer<Service> {
    const { client, log } = this.#options;
    const service = createInformer<Service>({
      client,
      log,
      type: SERVICE,
      namespace: "default",
      fieldSelector: "metadata.name=kubernetes",
      strip: stripService,
      onStateChange: () => this.#onStateChanged(),
    });
    service.onChange(() => this.#onServiceChanged("default"));
    return service;
  }

  #onStateChanged(): void {
    for (const waiter of [...this.#waiters]) {
      if (this.stateOf(waiter.namespace).kind === "syncing") continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
    this.#subscriptions.notifyStateChanged();
  }

  #onPodChanged({ key, now, old }: ObjectChange<Pod>): void {
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
    this.#subscriptions.enqueueDependents(ref);
  }

  #onServiceChanged(namespace: string): void {
    const ref = refKey("Services", { namespace });
    this.#subscriptions.enqueueInTurn(ref, { intervalMs: SERVICE_INTERVAL_MS });
  }
}
