// SPDX-License-Identifier: Apache-2.0
/** An API server that knows EdgeDevices: one for all tests of a run that need no control plane to themselves. */
import { Apiserver } from "./apiserver.ts";
import { join, ROOT } from "../base/paths.ts";
import { until } from "../base/wait.ts";

/** Environment variable with the path of an administrator's kubeconfig for {@linkcode startCluster}'s server. */
export const SHARED_KUBECONFIG = "ARANYA_TEST_KUBECONFIG";

const DEFINITION = "edgedevices.aranya.arhat.dev";
/** What the API server makes for itself soon after it is ready. */
const BUILT_IN = [
  ["namespace", "kube-node-lease"],
  ["configmap", "extension-apiserver-authentication", "-nkube-system"],
];

/** Starts etcd and the API server on the machine we are on, and has them serve EdgeDevices. */
export async function startCluster(): Promise<Apiserver> {
  const apiserver = await Apiserver.start();
  try {
    const { kubectl } = apiserver;
    await kubectl.run([
      "apply",
      "-f",
      join(ROOT, "manifests/cluster/crd.yaml"),
    ]);
    await kubectl.run([
      "wait",
      "--for=condition=Established",
      "--timeout=30s",
      `crd/${DEFINITION}`,
    ]);
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
