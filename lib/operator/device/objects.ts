// SPDX-License-Identifier: Apache-2.0
/** The names, marks and plain satellites of one EdgeDevice: Lease, Service, EndpointSlice and Secrets. Pure: values in, objects out. */
import type {
  EdgeDevice,
  EndpointSlice,
  KubeObject,
  Lease,
  ObjectMeta,
  OwnerReference,
  Secret,
  Service,
} from "../kube/mod.ts";

/** Marks a Node of ours. */
export const ROLE_LABEL = "arhat.dev/role";
/** Value of {@linkcode ROLE_LABEL}. */
export const ROLE = "EdgeDevice";
/** Name of the device, on everything that is made for it. */
export const NAME_LABEL = "arhat.dev/name";
/** Namespace of the device, on everything that is made for it; key of the Node's taint too. */
export const NAMESPACE_LABEL = "arhat.dev/namespace";
/** Keeps the EdgeDevice until all that was made for it is gone. */
export const FINALIZER = "aranya.arhat.dev/clean-up";
/** Set by a user on an EdgeDevice: give the device a new credential. Removed when that is done. */
export const ROTATE_ANNOTATION = "aranya.arhat.dev/rotate-credential";
/** On the Node: range of the device's pods, so that operators of other namespaces keep out of it. */
export const POD_CIDR_ANNOTATION = "aranya.arhat.dev/pod-cidr";
/** On the Node: keys that the EdgeDevice added, so that they can be taken back. */
export const ADDED_ANNOTATION = "aranya.arhat.dev/added";
/** Namespace of the Nodes' Leases. */
export const LEASE_NAMESPACE = "kube-node-lease";
/** How long a Lease holds, in seconds; as of a kubelet. */
export const LEASE_SECONDS = 40;

/** Selects what is ours in the device's namespace, and its Leases. */
export function ownedSelector(namespace: string): string {
  return `${ROLE_LABEL}=${ROLE},${NAMESPACE_LABEL}=${namespace}`;
}

/** Name of the Secret that holds agent.yaml. */
export function agentSecretName(device: string): string {
  return `${device}-agent`;
}

/** Name of the Secret that holds the device's own serving certificate. */
export function servingSecretName(device: string): string {
  return `${device}-kubelet-tls`;
}

/** Labels of everything that is made for a device. */
export function ownLabels(edge: EdgeDevice): Record<string, string> {
  return {
    [ROLE_LABEL]: ROLE,
    [NAME_LABEL]: edge.metadata.name,
    [NAMESPACE_LABEL]: edge.metadata.namespace ?? "",
  };
}

/** Makes the EdgeDevice the controller of an object. */
export function ownerOf(edge: EdgeDevice): OwnerReference {
  return {
    apiVersion: "aranya.arhat.dev/v1alpha1",
    kind: "EdgeDevice",
    name: edge.metadata.name,
    uid: edge.metadata.uid ?? "",
    controller: true,
  };
}

/** Metadata of an object in the device's namespace. */
export function ownedMeta(edge: EdgeDevice, name: string): ObjectMeta {
  return {
    name,
    namespace: edge.metadata.namespace ?? "",
    labels: ownLabels(edge),
    ownerReferences: [ownerOf(edge)],
  };
}

/**
 * Whose an object of the device's namespace is: "ours"; "stale": made for an EdgeDevice of that name which is gone (its UID is another);
 * "foreign": somebody else's, not to be touched.
 */
export function ownership(
  edge: EdgeDevice,
  object: KubeObject,
): "ours" | "stale" | "foreign" {
  const controller = object.metadata.ownerReferences?.find((owner) =>
    owner.controller
  );
  if (
    controller?.kind !== "EdgeDevice" ||
    controller.name !== edge.metadata.name ||
    !controller.apiVersion.startsWith("aranya.arhat.dev/")
  ) return "foreign";
  return controller.uid === edge.metadata.uid ? "ours" : "stale";
}

/** The Node's Lease; it goes with its Node. Without `renewTime` the device has not been heard of. */
export function toLease(
  edge: EdgeDevice,
  node: { uid: string; renewTime?: string },
): Lease {
  const { name } = edge.metadata;
  return {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: {
      name,
      namespace: LEASE_NAMESPACE,
      labels: ownLabels(edge),
      ownerReferences: [
        { apiVersion: "v1", kind: "Node", name, uid: node.uid },
      ],
    },
    spec: {
      holderIdentity: name,
      leaseDurationSeconds: LEASE_SECONDS,
      ...(node.renewTime ? { renewTime: node.renewTime } : {}),
    },
  };
}

/** A time as Leases write it, with microseconds. */
export function toMicroTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace("Z", "000Z");
}

/** The device's Service: headless, without selector. */
export function toService(edge: EdgeDevice, grpcPort: number): Service {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: ownedMeta(edge, edge.metadata.name),
    spec: {
      type: "ClusterIP",
      clusterIP: "None",
      ports: [{
        name: "grpc",
        port: grpcPort,
        targetPort: grpcPort,
        protocol: "TCP",
      }],
    },
  };
}

/** Leads the Service to the operator's one listener. Loopback addresses are left out: the API refuses them. */
export function toEndpointSlice(
  edge: EdgeDevice,
  { addresses, grpcPort }: { addresses: string[]; grpcPort: number },
): EndpointSlice {
  const usable = addresses.filter((address) =>
    !/^127\.|^::1$|^169\.254\.|^fe80:/i.test(address)
  );
  const v6 = usable[0]?.includes(":") ?? false;
  const meta = ownedMeta(edge, edge.metadata.name);
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      ...meta,
      labels: {
        ...meta.labels,
        "kubernetes.io/service-name": edge.metadata.name,
        "endpointslice.kubernetes.io/managed-by": "aranya.arhat.dev",
      },
    },
    addressType: v6 ? "IPv6" : "IPv4",
    endpoints: usable.filter((address) => address.includes(":") === v6).map((
      address,
    ) => ({ addresses: [address], conditions: { ready: true } })),
    ports: [{ name: "grpc", port: grpcPort, protocol: "TCP" }],
  };
}

/** A Secret of the device; values are texts. */
export function toSecret(
  edge: EdgeDevice,
  { name, type, values }: {
    name: string;
    type: string;
    values: Record<string, string>;
  },
): Secret {
  const data: Record<string, string> = {};
  for (const [key, value] of Object.entries(values)) {
    data[key] = toBase64(new TextEncoder().encode(value));
  }
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: ownedMeta(edge, name),
    type,
    data,
  };
}

/** One value of a Secret as text; undefined when it is not there or not base64. */
export function secretText(
  secret: Secret | undefined,
  key: string,
): string | undefined {
  const bytes = fromBase64(secret?.data?.[key] ?? "");
  return bytes?.length ? new TextDecoder().decode(bytes) : undefined;
}

/** Base64 of bytes. */
export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** Bytes of a base64 text; undefined when it is none. */
export function fromBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    return undefined; // not base64: the caller treats it as missing
  }
}

/** Whether everything that is wanted is there; what else is there (defaults, others' fields) does not matter. Lists must agree in length. */
export function covers(actual: unknown, wanted: unknown): boolean {
  if (wanted === undefined) return true;
  if (Array.isArray(wanted)) {
    return Array.isArray(actual) && actual.length === wanted.length &&
      wanted.every((item, index) => covers(actual[index], item));
  }
  if (wanted !== null && typeof wanted === "object") {
    if (actual === null || typeof actual !== "object") {
      return Object.keys(wanted).length === 0;
    }
    const fields = actual as Record<string, unknown>;
    return Object.entries(wanted).every(([key, value]) =>
      covers(fields[key], value)
    );
  }
  return Object.is(actual, wanted);
}
