// SPDX-License-Identifier: Apache-2.0
/**
 * The pod lane of one device: what the API server wants there, what the device runs, and making the
 * one into the other. Informers, a session's requests and the device's reports come in; commands to
 * the device, status patches and deletions go out. This room never knows links or Nodes.
 *
 * @module
 */
export type { LinkState, PodNode, PodSettings } from "./device_state.ts";
export { PodController, type PodControllerOptions } from "./pod_controller.ts";
export {
  type ContainerTarget,
  type PodDirectory,
  type PodList,
  toPodList,
} from "./pod_directory.ts";
export {
  createPodSources,
  type PodSources,
  type PodSourcesOptions,
} from "./sources.ts";
