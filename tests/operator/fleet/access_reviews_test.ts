// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createAccessReviews } from "../../../lib/operator/fleet/access_reviews.ts";
import { requestToken } from "../../../lib/operator/kube/mod.ts";
import { CountingApi } from "../_support/counting_api.ts";
import { until } from "../../../dev/base/wait.ts";

Deno.test("createAccessReviews() asks the API server who the client is and what it may do", async () => {
  await using api = await CountingApi.open();
  const { namespace } = api;
  const { token } = await requestToken(api, {
    namespace,
    serviceAccount: "default",
    spec: { expirationSeconds: 600 },
  });
  const auth = createAccessReviews(api);
  const user = await auth.authenticateToken(token);
  assert.equal(user?.name, `system:serviceaccount:${namespace}:default`);
  assert.equal(await auth.authenticateToken("nonsense"), undefined);
  const question = { verb: "get", subresource: "proxy", node: "edge-1" };
  assert.equal(await auth.authorize({ ...question, user }), false);
  const root = { name: "root", groups: ["system:masters"] };
  assert.equal(await auth.authorize({ ...question, user: root }), true);
});

Deno.test("createAccessReviews() allows create on nodes/proxy to system:kubelet-api-admin, and not to who may only get it", async () => {
  await using api = await CountingApi.open();
  const bind = async (user: string, role: string) => {
    await api.request({
      method: "POST",
      path: "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
      body: {
        metadata: { name: user },
        roleRef: {
          apiGroup: "rbac.authorization.k8s.io",
          kind: "ClusterRole",
          name: role,
        },
        subjects: [{
          kind: "User",
          name: user,
          apiGroup: "rbac.authorization.k8s.io",
        }],
      },
      action: "bind a role",
    });
  };
  const admin = `${api.name}-admin`;
  const reader = `${api.name}-reader`;
  await api.request({
    method: "POST",
    path: "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    body: {
      metadata: { name: reader },
      rules: [{ apiGroups: [""], resources: ["nodes/proxy"], verbs: ["get"] }],
    },
    action: "make a role",
  });
  // The role of the API server's own client certificate; see Kubernetes, "Kubelet authorization".
  await bind(admin, "system:kubelet-api-admin");
  await bind(reader, reader);
  const may = (name: string, verb: string) =>
    createAccessReviews(api).authorize({
      user: { name, groups: [] },
      verb,
      subresource: "proxy",
      node: "edge-1",
    });
  // The authorizer learns of a new binding from a watch.
  await until(async () => await may(admin, "create"), "the binding");
  assert.equal(await may(reader, "get"), true);
  assert.equal(await may(reader, "create"), false);
});
