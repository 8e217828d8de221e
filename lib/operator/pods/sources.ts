// SPDX-License-Identifier: Apache-2.0
/**
 * What all devices' pod lanes read: one informer per kind and served namespace, and who is woken by
 * which change.
 */
import type { Logger } from "../../shared/base/mod.ts";
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

/** Options of {@linkcode createPodSources}. */
export interface PodSourcesOptions {
  client: KubeClient;
  /** Namespaces whose pods are run; "*": all. */
  namespaces: readonly string[] | "*";
  /**
   * Label selector that leaves out Secrets and Services made for devices: they are watched
   * elsewhere, and each is as large as it is alike.
   * @default none
   */
  othersSelector?: string;
  /** Services that never appear in pods' environments, such as the devices' own. @default none */
  isHiddenService?: (service: Service) => boolean;
  log: Logger;
}

/** One lane's place in the shared sources. */
export interface PodSubscription {
  /**
   * What this pod's translation depends on: keys made by `refKey`. Replaces the former ones; an
   * empty list forgets.
   */
  setRefs(podKey: string, refs: Iterable<string>): void;
  /** Nothing comes any more. */
  close(): void;
}

/** See {@linkcode createPodSources}. */
export interface PodSources extends AsyncDisposable {
  /** Resolves when every informer has its first list. */
  readonly synced: Promise<void>;
  readonly hasSynced: boolean;
  /** Whether pods of this namespace are run. */
  serves(namespace: string): boolean;
  /** A pod of a served namespace, or of another one while it is Pending. */
  pod(key: string): Pod | undefined;
  /** Pods bound to this node, served or not. */
  podsOfNode(node: string): Pod[];
  configMap(namespace: string, name: string): ConfigMap | undefined;
  secret(namespace: string, name: string): Secret | undefined;
  services(namespace: string): Service[];
  /**
   * Wakes with the keys of this node's pods when they, or what they refer to, have changed; at once
   * for those there are.
   */
  subscribe(node: string, wake: WakePod): PodSubscription;
}

/** Has a lane look at a pod, soon or after a delay in milliseconds. */
export type WakePod = (podKey: string, options?: { afterMs?: number }) => void;

/** Services come and go in groups, and change only what a container sees at its next start. */
const SERVICE_DELAY_MS = 10_000;
/** Pods that no node of ours runs stay in this phase, so this watch stays small. */
const FOREIGN_SELECTOR = "status.phase=Pending,spec.nodeName!=";

/** Starts the informers. */
export function createPodSources(options: PodSourcesOptions): PodSources {
  return new Sources(options);
}

/** Local copies for one namespace, or for all. */
interface Copies {
  pods: Informer<Pod>;
  configMaps: Informer<ConfigMap>;
  secrets: Informer<Secret>;
  services: Informer<Service>;
}

class Sources implements PodSources {
  readonly synced: Promise<void>;
  readonly #options: PodSourcesOptions;
  readonly #copies = new Map<string, Copies>();
  /** Pods of namespaces that aren't served; absent when all are. */
  readonly #foreign: Informer<Pod> | undefined;
  /** The API server's own service, when its namespace isn't served. */
  readonly #apiServer: Informer<Service> | undefined;
  readonly #lanes = new Map<string, Set<Lane>>();
  /** Who is to be woken when something changes: reference, lane, pods. */
  readonly #waiters = new Map<string, Map<Lane, Set<string>>>();

  constructor(options: PodSourcesOptions) {
    this.#options = options;
    const { namespaces } = options;
    const served = namespaces === "*" ? ["*"] : [...new Set(namespaces)];
    for (const name of served) {
      this.#copies.set(name, this.#open(name === "*" ? undefined : name));
    }
    if (namespaces !== "*") {
      this.#foreign = this.#createInformer(POD, {
        fieldSelector: FOREIGN_SELECTOR,
        index: nodeOf,
      });
      this.#foreign.onChange(({ key, now, old }) => {
        const { namespace = "" } = (now ?? old)?.metadata ?? {};
        if (!this.serves(namespace)) this.#onPod(key, { now, old });
      });
    }
    if (!this.serves("default")) {
      this.#apiServer = this.#createInformer(SERVICE, {
        namespace: "default",
        fieldSelector: "metadata.name=kubernetes",
        strip: stripService,
      });
      this.#apiServer.onChange(() => this.#onService("default"));
    }
    this.synced = Promise.all(this.#served().map(({ synced }) => synced)).then(
      () => {},
    );
    this.synced.catch(() => {});
  }

  get hasSynced(): boolean {
    return this.#served().every(({ hasSynced }) => hasSynced);
  }

  serves(namespace: string): boolean {
    const { namespaces } = this.#options;
    return namespaces === "*" || namespaces.includes(namespace);
  }

  pod(key: string): Pod | undefined {
    const copies = this.#copiesOf(key.slice(0, key.indexOf("/")));
    return copies ? copies.pods.get(key) : this.#foreign?.get(key);
  }

  podsOfNode(node: string): Pod[] {
    const foreign = this.#foreign?.byIndex(node) ?? [];
    return [
      ...[...this.#copies.values()].flatMap(({ pods }) => pods.byIndex(node)),
      ...foreign.filter(({ metadata }) =>
        !this.serves(metadata.namespace ?? "")
      ),
    ];
  }

  configMap(namespace: string, name: string): ConfigMap | undefined {
    return this.#copiesOf(namespace)?.configMaps.get(`${namespace}/${name}`);
  }

  secret(namespace: string, name: string): Secret | undefined {
    return this.#copiesOf(namespace)?.secrets.get(`${namespace}/${name}`);
  }

  services(namespace: string): Service[] {
    const { isHiddenService } = this.#options;
    const services = this.#copiesOf(namespace)?.services.byIndex(namespace) ??
      (namespace === "default" ? this.#apiServer?.list() : undefined) ?? [];
    return isHiddenService
      ? services.filter((service) => !isHiddenService(service))
      : services;
  }

  subscribe(node: string, wake: WakePod): PodSubscription {
    const lane = new Lane(wake);
    const lanes = this.#lanes.get(node) ?? new Set();
    lanes.add(lane);
    this.#lanes.set(node, lanes);
    for (const pod of this.podsOfNode(node)) wake(keyOf(pod));
    return {
      setRefs: (podKey, refs) => this.#setRefs(lane, { podKey, refs }),
      close: () => {
        for (const podKey of [...lane.refs.keys()]) {
          this.#setRefs(lane, { podKey, refs: [] });
        }
        lanes.delete(lane);
        if (lanes.size === 0) this.#lanes.delete(node);
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#served(), this.#foreign, this.#apiServer];
    await Promise.all(all.map((one) => one?.[Symbol.asyncDispose]()));
  }

  #copiesOf(namespace: string): Copies | undefined {
    return this.#copies.get("*") ?? this.#copies.get(namespace);
  }

  #served(): Informer<KubeObject>[] {
    // Only lists and promises are read from them: which objects they hold doesn't matter.
    return [...this.#copies.values()].flatMap((copies) =>
      Object.values(copies) as unknown as Informer<KubeObject>[]
    );
  }

  #open(namespace: string | undefined): Copies {
    const copies: Copies = {
      pods: this.#createInformer(POD, { namespace, index: nodeOf }),
      configMaps: this.#createInformer(CONFIG_MAP, {
        namespace,
        strip: stripConfigMap,
      }),
      secrets: this.#createInformer(SECRET, {
        namespace,
        labelSelector: this.#options.othersSelector,
        strip: stripSecret,
      }),
      services: this.#createInformer(SERVICE, {
        namespace,
        labelSelector: this.#options.othersSelector,
        strip: stripService,
        index: ({ metadata }) => metadata.namespace,
      }),
    };
    copies.pods.onChange(({ key, now, old }) => this.#onPod(key, { now, old }));
    copies.configMaps.onChange(({ now, old }) =>
      this.#onRef("ConfigMap", now ?? old)
    );
    copies.secrets.onChange(({ now, old }) =>
      this.#onRef("Secret", now ?? old)
    );
    copies.services.onChange(({ now, old }) => {
      const service = now ?? old;
      if (service && this.#options.isHiddenService?.(service)) return;
      this.#onService(service?.metadata.namespace ?? "");
    });
    return copies;
  }

  #createInformer<T extends KubeObject>(
    type: ObjectType<T>,
    rest: {
      namespace?: string | undefined;
      fieldSelector?: string;
      labelSelector?: string | undefined;
      strip?: (object: T) => T;
      index?: (object: T) => string | undefined;
    },
  ): Informer<T> {
    const { client, log } = this.#options;
    return createInformer({ client, log, type, ...rest });
  }

  #onPod(
    key: string,
    { now, old }: { now: Pod | undefined; old: Pod | undefined },
  ): void {
    for (const node of new Set([now?.spec.nodeName, old?.spec.nodeName])) {
      for (const lane of this.#lanes.get(node ?? "") ?? []) lane.wake(key);
    }
  }

  #onRef(
    kind: "ConfigMap" | "Secret",
    object: KubeObject | undefined,
  ): void {
    const { namespace = "", name = "" } = object?.metadata ?? {};
    this.#wakeWaiters(refKey(kind, { namespace, name }), { afterMs: 0 });
  }

  #onService(namespace: string): void {
    this.#wakeWaiters(refKey("Services", { namespace }), {
      afterMs: SERVICE_DELAY_MS,
    });
  }

  #wakeWaiters(ref: string, options: { afterMs: number }): void {
    for (const [lane, podKeys] of this.#waiters.get(ref) ?? []) {
      for (const podKey of podKeys) lane.wake(podKey, options);
    }
  }

  #setRefs(
    lane: Lane,
    { podKey, refs }: { podKey: string; refs: Iterable<string> },
  ): void {
    const wanted = new Set(refs);
    const present = lane.refs.get(podKey) ?? new Set();
    for (const ref of present) {
      if (wanted.has(ref)) continue;
      const lanes = this.#waiters.get(ref);
      const podKeys = lanes?.get(lane);
      podKeys?.delete(podKey);
      if (podKeys?.size === 0) lanes?.delete(lane);
      if (lanes?.size === 0) this.#waiters.delete(ref);
    }
    for (const ref of wanted) {
      if (present.has(ref)) continue;
      const lanes = this.#waiters.get(ref) ?? new Map<Lane, Set<string>>();
      const podKeys = lanes.get(lane) ?? new Set();
      podKeys.add(podKey);
      lanes.set(lane, podKeys);
      this.#waiters.set(ref, lanes);
    }
    if (wanted.size > 0) lane.refs.set(podKey, wanted);
    else lane.refs.delete(podKey);
  }
}

/** One subscriber. */
class Lane {
  readonly wake: WakePod;
  readonly refs = new Map<string, Set<string>>();
  constructor(wake: WakePod) {
    this.wake = wake;
  }
}

function nodeOf({ spec }: Pod): string | undefined {
  return spec.nodeName;
}

/** Name and version only: labels and annotations of these are never read. */
function bareMeta({ metadata }: KubeObject): KubeObject["metadata"] {
  const { name, namespace = "", uid = "", resourceVersion = "" } = metadata;
  return { name, namespace, uid, resourceVersion };
}

function stripConfigMap(object: ConfigMap): ConfigMap {
  const { data, binaryData } = object;
  return {
    metadata: bareMeta(object),
    ...(data === undefined ? {} : { data }),
    ...(binaryData === undefined ? {} : { binaryData }),
  };
}

/** A Helm release may be a megabyte, and no pod reads it. */
function stripSecret(object: Secret): Secret {
  const { type = "", data } = object;
  return {
    metadata: bareMeta(object),
    type,
    ...(data === undefined || type === "helm.sh/release.v1" ? {} : { data }),
  };
}

function stripService(object: Service): Service {
  const { labels } = object.metadata;
  const { clusterIP, ports } = object.spec ?? {};
  return {
    metadata: {
      ...bareMeta(object),
      ...(labels === undefined ? {} : { labels }),
    },
    spec: {
      ...(clusterIP === undefined ? {} : { clusterIP }),
      ...(ports === undefined ? {} : { ports }),
    },
  };
}
