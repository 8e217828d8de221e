// SPDX-License-Identifier: Apache-2.0
/**
 * What tests start and stop: real etcd, API server, controllers, kubectl, Docker engines, and the network world around them.
 * Each is `await using x = await X.start(…)`; without a `network` or `machine` of its own it makes one. Nothing here is a double.
 *
 * @module
 */
export * from "../../dev/apiserver.ts";
export * from "../../dev/control_plane.ts";
export * from "../../dev/controllers.ts";
export * from "../../dev/dockerd.ts";
export * from "../../dev/etcd.ts";
export * from "../../dev/http.ts";
export * from "../../dev/images.ts";
export * from "../../dev/kubectl.ts";
export * from "../../dev/launch.ts";
export * from "../../dev/machine.ts";
export * from "../../dev/network.ts";
export * from "../../dev/run.ts";
export * from "../../dev/wait.ts";
export * from "../../dev/agent.ts";
export * from "../../dev/operator.ts";
export * from "../../dev/world.ts";
export * from "../../dev/pki.ts";
export * from "../../dev/kubeconfig.ts";
export * from "./cluster.ts";
export * from "./probe.ts";
