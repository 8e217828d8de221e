// SPDX-License-Identifier: Apache-2.0
/** The watches of one leader's term: one for each kind, selected to what is ours and stripped to what is used. */
import { type Logger, Scope } from "../../shared/base/mod.ts";
import {
  type DeviceStores,
  LEASE_NAMESPACE,
  NAME_LABEL,
  NAMESPACE_LABEL,
  ownedSelector,
  ROLE,
  ROLE_LABEL,
} from "../device/mod.ts";
import { createPodSources, type PodSources } from "../pods/mod.ts";
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
} from "../kube/mod.ts";
import { requestLabels } from "./certificates.ts";

/** Everything that is watched. */
export interface Stores extends AsyncDisposable {
  devices: DeviceStores;
  sources: PodSources;
  requests: Informer<CertificateSigningRequest>;
  /** Resolves when every first list is in. */
  synced(): Promise<void>;
}

/** Options of {@linkcode createStores}. */
export interface StoresOptions {
  client: KubeClient;
  namespace: string;
  tenantNamespaces: string[] | "*";
  log: Logger;
}

/** Starts the watches. */
export function createStores(options: StoresOptions): Stores {
  const { client, namespace, tenantNamespaces, log } = options;
  const scope = new Scope();
  const all: Informer<KubeObject>[] = [];
  function watch<T extends KubeObject>(
    type: ObjectType<T>,
    rest: { namespace?: string; labelSelector?: string; strip?: (o: T) => T },
  ): Informer<T> {
    const informer = scope.use(createInformer({ client, type, log, ...rest }));
    all.push(informer as unknown as Informer<KubeObject>);
    return informer;
  }
  const labelSelector = ownedSelector(namespace);
  const devices: DeviceStores = {
    edges: watch(EDGE_DEVICE, { namespace }),
    nodes: watch(NODE, {
      labelSelector: `${ROLE_LABEL}=${ROLE}`,
      strip: stripNode,
    }),
    leases: watch(LEASE, { namespace: LEASE_NAMESPACE, labelSelector }),
    secrets: watch(SECRET, { namespace, labelSelector }),
    services: watch(SERVICE, { namespace, labelSelector }),
    slices: watch(ENDPOINT_SLICE, { namespace, labelSelector }),
  };
  const requests = watch(CERTIFICATE_SIGNING_REQUEST, {
    labelSelector: Object.entries(requestLabels(namespace)).map((
      [key, value],
    ) => `${key}=${value}`).join(","),
  });
  const sources = scope.use(createPodSources({
    client,
    namespaces: tenantNamespaces === "*"
      ? "*"
      : [...new Set([namespace, ...tenantNamespaces])],
    othersSelector: `${ROLE_LABEL}!=${ROLE}`,
    isHiddenService: ({ metadata }) =>
      metadata.labels?.[NAME_LABEL] !== undefined &&
      metadata.labels[NAMESPACE_LABEL] !== undefined,
    log,
  }));
  return {
    devices,
    sources,
    requests,
    async synced() {
      await Promise.all([...all.map(({ synced }) => synced), sources.synced]);
    },
    [Symbol.asyncDispose]: () => scope.close(),
  };
}

/** A Node's list of images and volumes is never ours. */
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
    status: {
      ...(capacity ? { capacity } : {}),
      ...(allocatable ? { allocatable } : {}),
      ...(conditions ? { conditions } : {}),
      ...(addresses ? { addresses } : {}),
      ...(daemonEndpoints ? { daemonEndpoints } : {}),
      ...(nodeInfo ? { nodeInfo } : {}),
    },
  };
}
