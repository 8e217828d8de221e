// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createAccessReviews } from "../../../lib/operator/fleet/access_reviews.ts";
import { requestToken } from "../../../lib/operator/kube/mod.ts";
import { CountingApi } from "../_support/counting_api.ts";

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
