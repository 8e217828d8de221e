// SPDX-License-Identifier: Apache-2.0
/** Names, labels, annotations and owners of the objects that are made for an EdgeDevice. */
import type {
  EdgeDevice,
  KubeObject,
  ObjectMeta,
  OwnerReference,
} from "../kube/mod.ts";

/** Label of everything that is made for a device; distinguishes its Node from an ordinary one. */
export const ROLE_LABEL = "arhat.dev/role";
/** Value of {@linkcode ROLE_LABEL}. */
export const ROLE = "EdgeDevice";
/** Label with the name of the device. */
export const NAME_LABEL = "arhat.dev/name";
/** Label with the namespace of the device; also the key of the Node's taint. */
export const NAMESPACE_LABEL = "arhat.dev/namespace";
/** Keeps a deleted EdgeDevice until everything that was made for it is removed. */
export const FINALIZER = "aranya.arhat.dev/clean-up";
/**
 * Set by a user on an EdgeDevice to request a new credential; the operator removes it afterwards.
 */
export const ROTATE_ANNOTATION = "aranya.arhat.dev/rotate-credential";
/** On the Node: the device's pod range, which operators of other namespaces keep clear of. */
export const POD_CIDR_ANNOTATION = "aranya.arhat.dev/pod-cidr";
/** On the Node: keys that the EdgeDevice added to it, so that they can be removed again. */
export const ADDED_ANNOTATION = "aranya.arhat.dev/added";
/** Namespace of the Leases of Nodes. */
export const LEASE_NAMESPACE = "kube-node-lease";
/** `leaseDurationSeconds` of a Node's Lease, as a kubelet sets it. */
export const LEASE_SECONDS = 40;

/** Returns a label selector for the objects of a namespace's devices. */
export function ownedSelector(namespace: string): string {
  return `${ROLE_LABEL}=${ROLE},${NAMESPACE_LABEL}=${namespace}`;
}

/** Returns the name of the Secret that holds agent.yaml. */
export function agentSecretName(device: string): string {
  return `${device}-agent`;
}

/** Returns the name of the Secret that holds the device's own serving certificate. */
export function servingSecretName(device: string): string {
  return `${device}-kubelet-tls`;
}

/** Returns the labels of everything that is made for a device. */
export function ownLabels(edge: EdgeDevice): Record<string, string> {
  return {
    [ROLE_LABEL]: ROLE,
    [NAME_LABEL]: edge.metadata.name,
    [NAMESPACE_LABEL]: edge.metadata.namespace ?? "",
  };
}

/** Returns the reference that makes the EdgeDevice the controller of an object. */
export function ownerOf(edge: EdgeDevice): OwnerReference {
  return {
    apiVersion: "aranya.arhat.dev/v1alpha1",
    kind: "EdgeDevice",
    name: edge.metadata.name,
    uid: edge.metadata.uid ?? "",
    controller: true,
  };
}

/** Returns the metadata of an object in the device's namespace. */
export function ownedMeta(edge: EdgeDevice, name: string): ObjectMeta {
  return {
    name,
    namespace: edge.metadata.namespace ?? "",
    labels: ownLabels(edge),
    ownerReferences: [ownerOf(edge)],
  };
}

/**
 * Who an object belongs to: "ours" is controlled by this EdgeDevice; "stale" by a deleted
 * EdgeDevice of the same name (another UID); "foreign" objects were not made by the operator and
 * stay untouched.
 */
export type Ownership = "ours" | "stale" | "foreign";

/** Returns who an object of the device's namespace belongs to. */
export function ownership(edge: EdgeDevice, object: KubeObject): Ownership {
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

/**
 * Returns an object's `resourceVersion` as a number that grows with each write of the object.
 * Kubernetes specifies this since version 1.35 (KEP-5504), and etcd has always behaved so; before,
 * the text was documented as opaque. NaN, which compares as neither older nor newer, without one.
 */
export function revisionOf(object: KubeObject): number {
  return Number(object.metadata.resourceVersion);
}
