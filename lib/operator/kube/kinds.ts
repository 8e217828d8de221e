// SPDX-License-Identifier: Apache-2.0
/** Which resource of the API each of our types is. */
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

/** A resource of the API and the type of its objects. */
export interface ObjectType<T extends KubeObject> {
  /** Empty: the core group. */
  readonly group: string;
  /** Version of the group. */
  readonly version: string;
  /** Kind of its objects. */
  readonly kind: string;
  /** Resource name in paths. */
  readonly plural: string;
  /** Whether its objects live in namespaces. */
  readonly namespaced: boolean;
  /** Carries the type only; never set. */
  readonly example?: T;
}

function kind<T extends KubeObject>(
  group: string,
  name: string,
  rest: { plural?: string; version?: string; namespaced?: boolean } = {},
): ObjectType<T> {
  return {
    group,
    kind: name,
    version: rest.version ?? "v1",
    plural: rest.plural ?? `${name.toLowerCase()}s`,
    namespaced: rest.namespaced ?? true,
  };
}

/** v1 Node. */
export const NODE: ObjectType<Node> = kind("", "Node", { namespaced: false });
/** v1 Pod. */
export const POD: ObjectType<Pod> = kind("", "Pod");
/** v1 Service. */
export const SERVICE: ObjectType<Service> = kind("", "Service");
/** v1 Secret. */
export const SECRET: ObjectType<Secret> = kind("", "Secret");
/** v1 ConfigMap. */
export const CONFIG_MAP: ObjectType<ConfigMap> = kind("", "ConfigMap");
/** v1 Event. */
export const EVENT: ObjectType<KubeEvent> = kind("", "Event");
/** discovery.k8s.io/v1 EndpointSlice. */
export const ENDPOINT_SLICE: ObjectType<EndpointSlice> = kind(
  "discovery.k8s.io",
  "EndpointSlice",
);
/** coordination.k8s.io/v1 Lease. */
export const LEASE: ObjectType<Lease> = kind("coordination.k8s.io", "Lease");
/** certificates.k8s.io/v1 CertificateSigningRequest. */
export const CERTIFICATE_SIGNING_REQUEST: ObjectType<
  CertificateSigningRequest
> = kind("certificates.k8s.io", "CertificateSigningRequest", {
  namespaced: false,
});
/** authentication.k8s.io/v1 TokenReview. */
export const TOKEN_REVIEW: ObjectType<TokenReview> = kind(
  "authentication.k8s.io",
  "TokenReview",
  { namespaced: false },
);
/** authorization.k8s.io/v1 SubjectAccessReview. */
export const SUBJECT_ACCESS_REVIEW: ObjectType<SubjectAccessReview> = kind(
  "authorization.k8s.io",
  "SubjectAccessReview",
  { namespaced: false },
);
/** aranya.arhat.dev/v1alpha1 EdgeDevice. */
export const EDGE_DEVICE: ObjectType<EdgeDevice> = kind(
  "aranya.arhat.dev",
  "EdgeDevice",
  { version: "v1alpha1" },
);

/** `apiVersion` of a resource's objects. */
export function apiVersionOf(type: ObjectType<KubeObject>): string {
  return type.group === "" ? type.version : `${type.group}/${type.version}`;
}

/** "namespace/name", or "name" alone for what is in no namespace: the key of stores and queues. */
export function keyOf(object: {
  metadata: { namespace?: string; name: string };
}): string {
  const { namespace, name } = object.metadata;
  return namespace === undefined || namespace === ""
    ? name
    : `${namespace}/${name}`;
}

/** Parts of a key. */
export function fromKey(key: string): { namespace?: string; name: string } {
  const slash = key.indexOf("/");
  return slash < 0
    ? { name: key }
    : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** Path of a resource, of one object, or of a part of one. */
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

/** "?a=b", or "" when there is nothing; keys without a value are left out. */
export function toQuery(query: Record<string, string | undefined>): string {
  const pairs = Object.entries(query).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, value]]
  );
  const text = new URLSearchParams(pairs).toString();
  return text === "" ? "" : `?${text}`;
}

/** `patch pods/status "edge/web"`: what an error's text says after "Cannot". */
export function describe(
  verb: string,
  what: {
    type: ObjectType<KubeObject>;
    ref: { namespace?: string | undefined; name?: string | undefined };
    subresource?: string | undefined;
  },
): string {
  const { type, ref, subresource } = what;
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
