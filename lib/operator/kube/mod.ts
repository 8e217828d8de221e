// SPDX-License-Identifier: Apache-2.0
/**
 * Client of the API server: typed calls over pooled connections, informers, leader election,
 * Events, certificates signed by the cluster, token and access reviews; and the types of the
 * objects that are used, with EdgeDevice among them. A kubeconfig or service account comes in;
 * objects go in and out as plain JSON values. This room never decides what a device or a pod should
 * be.
 *
 * @example
 * ```ts
 * await using client = await createKubeClient({ log });
 * await using pods = createInformer({ client, type: POD, namespace: "edge", log });
 * pods.onChange(({ key, now }) => log.info(now ? "pod changed" : "pod deleted", { pod: key }));
 * await client.patch(NODE, { name: "edge-1" }, { body: { spec: { unschedulable: true } } });
 * ```
 *
 * @module
 */
export type * from "./api.ts";
export { requestToken, reviewAccess, reviewToken } from "./auth.ts";
export {
  requestCertificate,
  type RequestCertificateOptions,
} from "./certificate_request.ts";
export { createKubeClient, type KubeClientOptions } from "./client.ts";
export * from "./conditions.ts";
export type * from "./edge_device.ts";
export {
  createEventRecorder,
  type EventRecorder,
  type EventRecorderOptions,
  type NewEvent,
} from "./events.ts";
export { FencedClient, type WriteFence } from "./fenced_client.ts";
export {
  createInformer,
  type Informer,
  type InformerOptions,
} from "./informer.ts";
export {
  CERTIFICATE_SIGNING_REQUEST,
  CONFIG_MAP,
  EDGE_DEVICE,
  ENDPOINT_SLICE,
  EVENT,
  fromKey,
  keyOf,
  LEASE,
  NODE,
  type ObjectType,
  pathOf,
  POD,
  SECRET,
  SERVICE,
  SUBJECT_ACCESS_REVIEW,
} from "./kinds.ts";
export { isOtherUid } from "./kube_error.ts";
export { toLabelSelector } from "./label_selector.ts";
export {
  type LeaderElectionOptions,
  type Leadership,
  type LeaseHolder,
  waitForLeadership,
} from "./lease.ts";
export type { ChangeListener, ObjectChange } from "./object_store.ts";
export type * from "./objects.ts";
export type * from "./pod_object.ts";
export type { ProxyEnv } from "./proxy_env.ts";
export { LEASE_CONNECTION_COUNT } from "./transport.ts";
