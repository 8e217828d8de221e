// SPDX-License-Identifier: Apache-2.0
/**
 * What tests start and stop: real etcd, API server, controllers, kubectl, Docker engines, and the
 * network world around them. Each is `await using x = await X.start(…)`; without a `network` or
 * `machine` of its own it makes one. Nothing here is a double.
 *
 * @module
 */
export * from "../../dev/world/apiserver.ts";
export * from "../../dev/world/control_plane.ts";
export * from "../../dev/world/controllers.ts";
export * from "../../dev/world/dockerd.ts";
export * from "../../dev/world/etcd.ts";
export * from "../../dev/world/http.ts";
export * from "../../dev/world/images.ts";
export * from "../../dev/world/kubectl.ts";
export * from "../../dev/world/launch.ts";
export * from "../../dev/world/machine.ts";
export * from "../../dev/world/network.ts";
export * from "../../dev/base/run.ts";
export * from "../../dev/base/wait.ts";
export * from "../../dev/world/agent.ts";
export * from "../../dev/world/operator.ts";
export * from "../../dev/world/world.ts";
export * from "../../dev/world/pki.ts";
export * from "../../dev/world/kubeconfig.ts";
export * from "./cluster.ts";
export * from "../e2e/_support/probe.ts";
