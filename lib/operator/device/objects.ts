// SPDX-License-Identifier: Apache-2.0
/** Lease, Service, EndpointSlice and Secrets of one EdgeDevice, as pure functions. */
import { defined, fromUtf8, utf8 } from "../../shared/base/mod.ts";
import type {
  EdgeDevice,
  EndpointSlice,
  Lease,
  Secret,
  Service,
} from "../kube/mod.ts";
import {
  LEASE_NAMESPACE,
  LEASE_SECONDS,
  ownedMeta,
  ownLabels,
} from "./metadata.ts";

/** Returns the Node's Lease, which the garbage collector deletes with the Node. */
export function toLease(
  edge: EdgeDevice,
  { uid, renewTime }: {
    /** UID of the Node. */
    uid: string;
    /** RFC 3339 with microseconds; absent: the Lease was never renewed. */
    renewTime?: string;
  },
): Lease {
  const { name } = edge.metadata;
  return {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: {
      name,
      namespace: LEASE_NAMESPACE,
      labels: ownLabels(edge),
      ownerReferences: [{ apiVersion: "v1", kind: "Node", name, uid }],
    },
    spec: {
      holderIdentity: name,
      leaseDurationSeconds: LEASE_SECONDS,
      ...defined({ renewTime: renewTime || undefined }),
    },
  };
}

/**
 * Returns the device's Service: headless and without selector, so that the EndpointSlice is its
 * own.
 */
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

/**
 * Returns the EndpointSlice that points the Service to the operator's gRPC listener. It has one
 * address family, that of the first usable address. Loopback and link-local addresses are left out,
 * because the API server refuses them.
 */
export function toEndpointSlice(
  edge: EdgeDevice,
  { addresses, grpcPort }: { addresses: string[]; grpcPort: number },
): EndpointSlice {
  const usable = addresses.filter((address) =>
    !/^127\.|^::1$|^169\.254\.|^fe80:/i.test(address)
  );
  const isV6 = usable[0]?.includes(":") ?? false;
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
    addressType: isV6 ? "IPv6" : "IPv4",
    endpoints: usable.filter((address) => address.includes(":") === isV6).map((
      address,
    ) => ({ addresses: [address], conditions: { ready: true } })),
    ports: [{ name: "grpc", port: grpcPort, protocol: "TCP" }],
  };
}

/** Returns a Secret of the device, whose values are text. */
export function toSecret(
  edge: EdgeDevice,
  { name, type, values }: {
    name: string;
    type: string;
    values: Record<string, string>;
  },
): Secret {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: ownedMeta(edge, name),
    type,
    data: Object.fromEntries(
      Object.entries(values).map(([key, value]) => [
        key,
        toBase64(utf8(value)),
      ]),
    ),
  };
}

/** Returns one value of a Secret as text; undefined when it is missing, empty or not base64. */
export function secretText(
  secret: Secret | undefined,
  key: string,
): string | undefined {
  const bytes = fromBase64(secret?.data?.[key] ?? "");
  return bytes?.length ? fromUtf8(bytes) : undefined;
}

/** Encodes bytes as base64. */
export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** Decodes base64; undefined for other text. */
export function fromBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    return undefined; // not base64, which callers treat as missing
  }
}
