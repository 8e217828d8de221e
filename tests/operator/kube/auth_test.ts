// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import {
  createKubeClient,
  requestToken,
  reviewAccess,
  reviewToken,
} from "../../../lib/operator/kube/mod.ts";
import { NAMESPACE, SERVICE_ACCOUNT } from "../_support/kinds.ts";
import { openCluster } from "../../_support/cluster.ts";

const namespace = `test-${crypto.randomUUID().slice(0, 8)}`;

Deno.test("the calls for authentication and authorization", async (t) => {
  await using cluster = await openCluster();
  await using client = await createKubeClient({
    kubeconfigFile: cluster.kubeconfig,
    log: SILENT_LOGGER,
  });
  await client.create(NAMESPACE, { metadata: { name: namespace } });
  await client.create(SERVICE_ACCOUNT, {
    metadata: { namespace, name: "robot" },
  });
  const { token, expiresMs } = await requestToken(client, {
    namespace,
    serviceAccount: "robot",
    spec: { expirationSeconds: 600 },
  });

  await t.step("requestToken() returns a token of the asked lifetime", () => {
    assert.ok(expiresMs > Date.now() + 500_000);
  });

  await t.step("requestToken() rejects when there is no account", async () => {
    await assert.rejects(
      requestToken(client, { namespace, serviceAccount: "ghost", spec: {} }),
      { code: "not_found" },
    );
  });

  await t.step("reviewToken() returns the user of a valid token", async () => {
    const user = await reviewToken(client, { token });
    assert.equal(user?.username, `system:serviceaccount:${namespace}:robot`);
  });

  await t.step(
    "reviewToken() returns undefined when the token is invalid",
    async () => {
      assert.equal(await reviewToken(client, { token: "invalid" }), undefined);
    },
  );

  await t.step("reviewAccess() returns what RBAC allows", async () => {
    const resource = { verb: "get", resource: "nodes", subresource: "proxy" };
    const user = await reviewToken(client, { token });
    assert.equal(
      (await reviewAccess(client, { user: user ?? {}, resource })).allowed,
      false,
    );
    const admin = { username: "root", groups: ["system:masters"] };
    assert.equal(
      (await reviewAccess(client, { user: admin, resource })).allowed,
      true,
    );
  });
});
