// SPDX-License-Identifier: Apache-2.0
/** What all devices' pod lanes read: one informer per kind and served namespace, and who is woken by which change. */
import type { Logger } from "../base/mod.ts";
import type {
  ConfigMap,
  KubeClient,
  Pod,
  Secret,
  Service,
} from "../kube/mod.ts";

/** Options of {@linkcode createPodSources}. */
export interface PodSourcesOptions {
  client: KubeClient;
  /** Namespaces whose pods are run; "*": all. */
  namespaces: readonly string[] | "*";
  /** Services that never appear in pods' environments, such as the devices' own. @default none */
  isHiddenService?: (service: Service) => boolean;
  log: Logger;
}

/** One lane's place in the shared sources. */
export interface PodSubscription {
  /** What this pod's translation depends on: keys made by `refKey`. Replaces the former ones; an empty list forgets. */
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
  /** Wakes with the keys of this node's pods when they, or what they refer to, have changed; at once for those there are. */
  subscribe(node: string, wake: (podKey: string) => void): PodSubscription;
}

/** Starts the informers. */
export function createPodSources(_options: PodSourcesOptions): PodSources {
  throw new TypeError("Cannot create pod sources: not built yet");
}
