// SPDX-License-Identifier: Apache-2.0
/** Kinds that tests create, and the operator itself never touches. */
import type { KubeObject, ObjectType } from "../../../lib/operator/kube/mod.ts";

/** v1 Namespace. */
export const NAMESPACE: ObjectType<KubeObject> = {
  group: "",
  version: "v1",
  kind: "Namespace",
  plural: "namespaces",
  namespaced: false,
};

/** v1 ServiceAccount. */
export const SERVICE_ACCOUNT: ObjectType<KubeObject> = {
  group: "",
  version: "v1",
  kind: "ServiceAccount",
  plural: "serviceaccounts",
  namespaced: true,
};
