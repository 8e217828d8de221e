// SPDX-License-Identifier: Apache-2.0
/** An API server with the rights of manifests/, and a client that has those of the operator. */
import { SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import {
  createKubeClient,
  type KubeClient,
} from "../../../lib/operator/kube/mod.ts";
import { startCluster } from "../../../dev/world/cluster.ts";
import { join, ROOT } from "../../../dev/base/paths.ts";
import { NAMESPACE, SERVICE_ACCOUNT } from "./kinds.ts";

/** The operator's own namespace in manifests/. */
export const HOME = "aranya";

/** An API server of this test alone. */
export interface ShippedRights extends AsyncDisposable {
  /** Client of an administrator. */
  readonly admin: KubeClient;
  /** Client with the operator's rights. */
  readonly operator: KubeClient;
  /** Creates a namespace with the ServiceAccount that pods need. */
  createNamespace(name: string): Promise<void>;
  /** Lets the operator serve a namespace, as documented. */
  bindTenant(namespace: string): Promise<void>;
  /** Takes that back. */
  unbindTenant(namespace: string): Promise<void>;
}

/** Starts the API server and applies the manifests. */
export async function openShippedRights(): Promise<ShippedRights> {
  const stack = new AsyncDisposableStack();
  const apiserver = stack.use(await startCluster());
  const { kubectl } = apiserver;
  await kubectl.run(["apply", "-k", join(ROOT, "manifests/cluster")]);
  const open = async (kubeconfigFile: string) =>
    stack.use(await createKubeClient({ kubeconfigFile, log: SILENT_LOGGER }));
  const admin = await open(apiserver.kubeconfig);
  const operator = await open(
    await apiserver.makeUser({
      name: "operator",
      user: `system:serviceaccount:${HOME}:aranya`,
    }),
  );
  return {
    admin,
    operator,
    async createNamespace(name) {
      await admin.create(NAMESPACE, { metadata: { name } });
      const metadata = { namespace: name, name: "default" };
      await admin.create(SERVICE_ACCOUNT, { metadata });
    },
    async bindTenant(namespace) {
      await kubectl.run([
        ...["create", "rolebinding", "aranya-tenant", "-n", namespace],
        "--clusterrole=aranya-tenant",
        `--serviceaccount=${HOME}:aranya`,
      ]);
    },
    async unbindTenant(namespace) {
      await kubectl.run([
        ...["delete", "rolebinding", "aranya-tenant", "-n", namespace],
      ]);
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
