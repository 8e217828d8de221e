// SPDX-License-Identifier: Apache-2.0
/** The resources of the API that are used, and their paths. */
import type { EdgeDevice } from "./edge_device.ts";
import type {
  CertificateSigningRequest,
  ConfigMap,
  EndpointSlice,
  KubeEvent,
  KubeObject,
  Lease,
  Node,
  Secret,
  Service,
  SubjectAccessReview,
  TokenReview,
} from "./objects.ts";
import type { Pod } from "./pod_object.ts";

/** A resource of the API and the TypeScript type of its objects. */
export interface ObjectType<T extends KubeObject> {
  /** API group; "" for the core group. */
  readonly group: string;
  /** API version within the group. */
  readonly version: string;
  readonly kind: string;
  /** Resource name in paths, e.g. "pods". */
  readonly plural: string;
  /** False for cluster-scoped resources. */
  readonly namespaced: boolean;
  /** Phantom property for type inference; never set. */
  readonly example?: T;
}

function defineType<T extends KubeObject>(
  group: string,
  kind: string,
  rest: { plural?: string; version?: string; namespaced?: boolean } = {},
): ObjectType<T> {
  return {
    group,
    kind,
    version: rest.version ?? "v1",
    plural: rest.plural ?? `${kind.toLowerCase()}s`,
    namespaced: rest.namespaced ?? true,
  };
}

/** v1 Node. */
export const NODE: ObjectType<Node> = defineType("", "Node", {
  namespaced: false,
});
/** v1 Pod. */
export const POD: ObjectType<Pod> = defineType("", "Pod");
/** v1 Service. */
export const SERVICE: ObjectType<Service> = defineType("", "Service");
/** v1 Secret. */
export const SECRET: ObjectType<Secret> = defineType("", "Secret");
/** v1 ConfigMap. */
export const CONFIG_MAP: ObjectType<ConfigMap> = defineType("", "ConfigMap");
/** v1 Event. */
export const EVENT: ObjectType<KubeEvent> = defineType("", "Event");
/** discovery.k8s.io/v1 EndpointSlice. */
export const ENDPOINT_SLICE: ObjectType<EndpointSlice> = defineType(
  "discovery.k8s.io",
  "EndpointSlice",
);
/** coordination.k8s.io/v1 Lease. */
export const LEASE: ObjectType<Lease> = defineType(
  "coordination.k8s.io",
  "Lease",
);
/** certificates.k8s.io/v1 CertificateSigningRequest. */
export const CERTIFICATE_SIGNING_REQUEST: ObjectType<
  CertificateSigningRequest
> = defineType("certificates.k8s.io", "CertificateSigningRequest", {
  namespaced: false,
});
/** authentication.k8s.io/v1 TokenReview. */
export const TOKEN_REVIEW: ObjectType<TokenReview> = defineType(
  "authentication.k8s.io",
  "TokenReview",
  { namespaced: false },
);
/** authorization.k8s.io/v1 SubjectAccessReview. */
export const SUBJECT_ACCESS_REVIEW: ObjectType<SubjectAccessReview> =
  defineType(
    "authorization.k8s.io",
    "SubjectAccessReview",
    { namespaced: false },
  );
/** aranya.arhat.dev/v1alpha1 EdgeDevice. */
export const EDGE_DEVICE: ObjectType<EdgeDevice> = defineType(
  "aranya.arhat.dev",
  "EdgeDevice",
  { version: "v1alpha1" },
);

/** Returns `apiVersion` of a resource's objects, e.g. "v1" or "coordination.k8s.io/v1". */
export function apiVersionOf(type: ObjectType<KubeObject>): string {
  return type.group === "" ? type.version : `${type.group}/${type.version}`;
}

/**
 * Returns the key of an object in stores and queues: "namespace/name", or "name" of a
 * cluster-scoped object.
 */
export function keyOf(object: {
  metadata: { namespace?: string; name: string };
}): string {
  const { namespace, name } = object.metadata;
  return namespace === undefined || namespace === ""
    ? name
    : `${namespace}/${name}`;
}

/** Splits a key made by {@linkcode keyOf}. */
export function fromKey(key: string): { namespace?: string; name: string } {
  const slash = key.indexOf("/");
  return slash < 0
    ? { name: key }
    : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/**
 * Returns the path of a resource, object or subresource, e.g. "/api/v1/namespaces/edge/pods/web".
 * The namespace of a cluster-scoped type is ignored.
 */
export function pathOf(
  type: ObjectType<KubeObject>,
  ref: {
    namespace?: string | undefined;
    name?: string | undefined;
    subresource?: string | undefined;
  },
): string {
  const parts = type.group === ""
    ? ["/api", type.version]
    : ["/apis", type.group, type.version];
  if (type.namespaced && ref.namespace) {
    parts.push("namespaces", encodeURIComponent(ref.namespace));
  }
  parts.push(type.plural);
  if (ref.name) parts.push(encodeURIComponent(ref.name));
  if (ref.subresource) parts.push(ref.subresource);
  return parts.join("/");
}

/** Returns "?a=b", or "" without values. Keys whose value is undefined are left out. */
export function toQuery(query: Record<string, string | undefined>): string {
  const pairs = Object.entries(query).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, value]]
  );
  const text = new URLSearchParams(pairs).toString();
  return text === "" ? "" : `?${text}`;
}

/** Returns `<verb> <object>` for an error's text, e.g. `patch pods/status "edge/web"`. */
export function describeCall(
  verb: string,
  target: {
    type: ObjectType<KubeObject>;
    ref: { namespace?: string | undefined; name?: string | undefined };
    subresource?: string | undefined;
  },
): string {
  const { type, ref, subresource } = target;
  const resource = type.plural +
    (type.group === "" ? "" : `.${type.group}`) +
    (subresource === undefined ? "" : `/${subresource}`);
  if (ref.name) {
    const key = type.namespaced && ref.namespace
      ? `${ref.namespace}/${ref.name}`
      : ref.name;
    return `${verb} ${resource} ${JSON.stringify(key)}`;
  }
  if (!type.namespaced) return `${verb} ${resource}`;
  return ref.namespace
    ? `${verb} ${resource} in namespace ${JSON.stringify(ref.namespace)}`
    : `${verb} ${resource} in all namespaces`;
}
