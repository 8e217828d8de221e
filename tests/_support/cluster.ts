// SPDX-License-Identifier: Apache-2.0
/**
 * An API server for tests that only read and write objects: the shared one of the run, else a new
 * one.
 */
import { SHARED_KUBECONFIG, startCluster } from "../../dev/world/cluster.ts";

/** An API server that others may be using too: keep to a namespace and names of your own. */
export interface Cluster extends AsyncDisposable {
  /** Path of an administrator's kubeconfig. */
  readonly kubeconfig: string;
}

/** The server that `deno task test` started for the run; starts one when a file is run alone. */
export async function openCluster(): Promise<Cluster> {
  const kubeconfig = Deno.env.get(SHARED_KUBECONFIG);
  if (!kubeconfig) return await startCluster();
  return { kubeconfig, [Symbol.asyncDispose]: () => Promise.resolve() };
}

/** One for all tests of a file; open while they run. To be called at the file's top level. */
export function clusterOfFile(): { readonly kubeconfig: string } {
  let open: Cluster | undefined;
  Deno.test.beforeAll(async () => {
    open = await openCluster();
  });
  Deno.test.afterAll(async () => {
    await open?.[Symbol.asyncDispose]();
  });
  return {
    get kubeconfig() {
      if (open) return open.kubeconfig;
      throw new TypeError("Cannot use the cluster: no test has begun");
    },
  };
}
