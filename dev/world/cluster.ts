// SPDX-License-Identifier: Apache-2.0
/**
 * An API server with the EdgeDevice definition, shared by all tests of a run that only read and
 * write objects.
 */
import { Apiserver } from "./apiserver.ts";
import { untilEdgeDevicesServed } from "./definition.ts";
import { join, ROOT } from "../base/paths.ts";
import { until } from "../base/wait.ts";

/** Environment variable with the path of an administrator's kubeconfig for the shared server. */
export const SHARED_KUBECONFIG = "ARANYA_TEST_KUBECONFIG";

/** Objects that the API server creates soon after it is ready. */
const BUILT_IN = [
  ["namespace", "kube-node-lease"],
  ["configmap", "extension-apiserver-authentication", "-nkube-system"],
];

/** Starts etcd and the API server on this machine and creates the EdgeDevice definition. */
export async function startCluster(): Promise<Apiserver> {
  const apiserver = await Apiserver.start();
  try {
    const { kubectl } = apiserver;
    await kubectl.run([
      "apply",
      "-f",
      join(ROOT, "manifests/cluster/crd.yaml"),
    ]);
    await untilEdgeDevicesServed(kubectl);
    for (const args of BUILT_IN) {
      await until(async () => await kubectl.find(args) !== undefined, {
        what: args.join(" "),
      });
    }
    return apiserver;
  } catch (error) {
    await apiserver[Symbol.asyncDispose]();
    throw error;
  }
}
