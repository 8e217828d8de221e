// SPDX-License-Identifier: Apache-2.0
/** The informers of one term of leadership. */
import { defined, type Logger, Scope } from "../../shared/base/mod.ts";
import {
  type DeviceStores,
  LEASE_NAMESPACE,
  NAME_LABEL,
  NAMESPACE_LABEL,
  ownedSelector,
  ROLE,
  ROLE_LABEL,
} from "../device/mod.ts";
import { InformerPodSources, PodClient, type PodSources } from "../pods/mod.ts";
import {
  CERTIFICATE_SIGNING_REQUEST,
  type CertificateSigningRequest,
  createInformer,
  EDGE_DEVICE,
  ENDPOINT_SLICE,
  type Informer,
  type KubeClient,
  type KubeObject,
  LEASE,
  NODE,
  type Node,
  type ObjectType,
  SECRET,
  SERVICE,
  toLabelSelector,
} from "../kube/mod.ts";
import { requestLabels } from "./certificates.ts";

/** Options of {@linkcode FleetStores}. */
export interface FleetStoresOptions {
  client: KubeClient;
  /** Namespace of the EdgeDevices. */
  namespace: string;
  /** Namespaces whose pods are run beside it; "*" for all. */
  tenantNamespaces: string[] | "*";
  log: Logger;
}

interface WatchOptions<T> {
  namespace?: string;
  labelSelector?: string;
  strip?: (object: T) => T;
}

/**
 * Local copies of everything that is watched: one informer for each kind, restricted by labels to
 * the devices' objects, without the parts that are not used. Start with the construction.
 */
export class FleetStores implements AsyncDisposable {
  /** EdgeDevices, and the objects that are made for them. */
  readonly devices: DeviceStores;
  /** Pods, and what their specs refer to. */
  readonly sources: PodSources;
  /** For the pod controllers of all devices. */
  readonly podClient: PodClient;
  /** CertificateSigningRequests of this operator. */
  readonly requests: Informer<CertificateSigningRequest>;
  readonly #options: FleetStoresOptions;
  readonly #scope = new Scope();
  readonly #informers: Pick<Informer<KubeObject>, "synced">[] = [];

  constructor(options: FleetStoresOptions) {
    this.#options = options;
    const { client, namespace, tenantNamespaces, log } = options;
    this.podClient = new PodClient(client);
    const labelSelector = ownedSelector(namespace);
    this.devices = {
      edges: this.#watch(EDGE_DEVICE, { namespace }),
      nodes: this.#watch(NODE, {
        labelSelector: `${ROLE_LABEL}=${ROLE}`,
        strip: stripNode,
      }),
      leases: this.#watch(LEASE, { namespace: LEASE_NAMESPACE, labelSelector }),
      secrets: this.#watch(SECRET, { namespace, labelSelector }),
      services: this.#watch(SERVICE, { namespace, labelSelector }),
      slices: this.#watch(ENDPOINT_SLICE, { namespace, labelSelector }),
    };
    this.requests = this.#watch(CERTIFICATE_SIGNING_REQUEST, {
      labelSelector: toLabelSelector(requestLabels(namespace)),
    });
    this.sources = this.#scope.use(
      new InformerPodSources({
        client,
        namespaces: tenantNamespaces === "*"
          ? "*"
          : [...new Set([namespace, ...tenantNamespaces])],
        // The Secrets and Services of devices are in `devices` and are no concern of pods.
        labelSelector: `${ROLE_LABEL}!=${ROLE}`,
        isHiddenService: ({ metadata }) =>
          metadata.labels?.[NAME_LABEL] !== undefined &&
          metadata.labels[NAMESPACE_LABEL] !== undefined,
        log,
      }),
    );
  }

  /**
   * Resolves when the first lists of this namespace are in. Others are not waited for: their pods
   * are run once each has been read, and one that can't be read must not stop the devices.
   */
  async synced(): Promise<void> {
    await Promise.all([
      ...this.#informers.map(({ synced }) => synced),
      this.sources.whenSettled(this.#options.namespace),
    ]);
  }

  /** Stops all watches. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.close();
  }

  #watch<T extends KubeObject>(
    type: ObjectType<T>,
    options: WatchOptions<T>,
  ): Informer<T> {
    const { client, log } = this.#options;
    const informer = this.#scope.use(
      createInformer({ client, type, log, ...options }),
    );
    this.#informers.push(informer);
    return informer;
  }
}

/** Drops lists of images and volumes, which are long and never read here. */
function stripNode(node: Node): Node {
  const { status, ...rest } = node;
  if (!status) return node;
  const {
    capacity,
    allocatable,
    conditions,
    addresses,
    daemonEndpoints,
    nodeInfo,
  } = status;
  return {
    ...rest,
    status: defined({
      capacity,
      allocatable,
      conditions,
      addresses,
      daemonEndpoints,
      nodeInfo,
    }),
  };
}
