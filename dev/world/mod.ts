// SPDX-License-Identifier: Apache-2.0
/**
 * Launchers of the real parts that demo, tests and benchmarks share: etcd, API server, controllers,
 * kubectl, Docker engines, operator and agents, on machines of Linux namespaces. Nothing here is a
 * double.
 *
 * Each part is started by a static `start` and ends when it is disposed; without a `network` or
 * `machine` it makes its own. Programs end with the process that started them, even after SIGKILL.
 *
 * @example
 * ```ts
 * await using world = await World.start({ devices: ["edge-1"] });
 * await world.run("exec", "edge-1", "--", "hostname");
 * ```
 *
 * @module
 */
export { Agent, type AgentLaunchOptions } from "./agent.ts";
export { Apiserver, type ApiserverOptions } from "./apiserver.ts";
export { SHARED_KUBECONFIG, startCluster } from "./cluster.ts";
export { ControlPlane, type ControlPlaneOptions } from "./control_plane.ts";
export { ControllerManager, Scheduler } from "./controllers.ts";
export { Dockerd, type DockerdOptions, prepareEngine } from "./dockerd.ts";
export { Etcd } from "./etcd.ts";
export { get } from "./http.ts";
export { IMAGES } from "./images.ts";
export { writeKubeconfig } from "./kubeconfig.ts";
export {
  Kubelet,
  type KubeletOptions,
  REACHABLE_APISERVER,
} from "./kubelet.ts";
export { Kubectl, type KubeObject, type RunningKubectl } from "./kubectl.ts";
export { launch, Launched, logTail, stillLaunched } from "./launch.ts";
export { clearLeftovers, leftovers } from "./leftovers.ts";
export { freePort, type Machine } from "./machine.ts";
export { canIsolate, Network } from "./network.ts";
export { installManifests, NAMESPACE, Operator } from "./operator.ts";
export { makeAuthority, makeCertificate, makeKey } from "./pki.ts";
export {
  edgeDevice,
  World,
  type WorldDevice,
  type WorldOptions,
} from "./world.ts";
