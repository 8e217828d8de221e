// SPDX-License-Identifier: Apache-2.0
/**
 * Pod controller of one device: desired pods, reported pods, and the difference. Pods and what they
 * refer to come in from informers, reports and Events from the device's session; commands to the
 * device, patches of statuses and deletions of terminated pods go out. Kubelet API calls find their
 * containers in the {@linkcode PodDirectory}. This room never decides which devices exist, and
 * never handles links, Nodes or kubelet connections.
 *
 * @example
 * ```ts
 * await using sources = new InformerPodSources({ client, namespaces: ["edge"], log });
 * const podClient = new PodClient(client);
 * await using pods = new PodController({
 *   node,
 *   settings,
 *   client: podClient,
 *   sources,
 *   events,
 *   session,
 *   log,
 * });
 * pods.onDeviceConnected({ capabilities: ["pods.v1"] });
 * const target = { namespace: "edge", pod: "web", container: "" };
 * const { container } = pods.directory.findContainer(target);
 * ```
 *
 * @module
 */
export type { LinkState, PodNode, PodSettings } from "./device_state.ts";
export { PodClient } from "./pod_client.ts";
export { PodController, type PodControllerOptions } from "./pod_controller.ts";
export { refKey } from "../podspec/mod.ts";
export {
  type ContainerTarget,
  type PodDirectory,
  type PodList,
  toPodList,
} from "./pod_directory.ts";
export {
  InformerPodSources,
  type PodSources,
  type PodSourcesOptions,
} from "./sources.ts";
export type { NamespaceState } from "./namespace_copies.ts";
export type {
  EnqueuePod,
  PodSubscriber,
  PodSubscription,
} from "./subscriptions.ts";
