// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import {
  CERTIFICATE_SIGNING_REQUEST,
  createInformer,
  createKubeClient,
  requestCertificate,
  requestToken,
  reviewAccess,
  reviewToken,
} from "../../../lib/operator/kube/mod.ts";
import { NAMESPACE, SERVICE_ACCOUNT } from "../_support/kinds.ts";
import { openCluster } from "../../_support/mod.ts";

const namespace = `test-${crypto.randomUUID().slice(0, 8)}`;

Deno.test("requestCertificate() and its kin", async (t) => {
  await using cluster = await openCluster();
  await using client = await createKubeClient({
    kubeconfigFile: cluster.kubeconfig,
    log: SILENT_LOGGER,
  });
  await client.create(NAMESPACE, { metadata: { name: namespace } });
  await t.step(
    "reviewToken(), reviewAccess() and requestToken() ask the API server",
    async () => {
      await client.create(SERVICE_ACCOUNT, {
        metadata: { namespace, name: "robot" },
      });
      const { token, expiresMs } = await requestToken(client, {
        namespace,
        serviceAccount: "robot",
        spec: { expirationSeconds: 600 },
      });
      assert.ok(expiresMs > Date.now() + 500_000);
      const user = await reviewToken(client, { token });
      assert.equal(user?.username, `system:serviceaccount:${namespace}:robot`);
      assert.equal(await reviewToken(client, { token: "nonsense" }), undefined);
      const resource = { verb: "get", resource: "nodes", subresource: "proxy" };
      assert.equal(
        (await reviewAccess(client, { user: user ?? {}, resource })).allowed,
        false,
      );
      const master = { username: "root", groups: ["system:masters"] };
      assert.equal(
        (await reviewAccess(client, { user: master, resource })).allowed,
        true,
      );
      await assert.rejects(
        requestToken(client, { namespace, serviceAccount: "ghost", spec: {} }),
        { code: "not_found" },
      );
    },
  );

  await t.step(
    "requestCertificate() says when nobody signs, and leaves no request behind",
    async () => {
      await using informer = createInformer({
        client,
        type: CERTIFICATE_SIGNING_REQUEST,
        log: SILENT_LOGGER,
      });
      await assert.rejects(
        requestCertificate({
          client,
          informer,
          name: "no-csr",
          requestPem: "no request",
          signerName: "kubernetes.io/kubelet-serving",
          usages: ["server auth"],
          timeoutMs: 2000,
        }),
        { code: "invalid" },
      );
      const pem = await mustCsr();
      const unsigned = `unsigned-${namespace}`;
      await assert.rejects(
        requestCertificate({
          client,
          informer,
          name: unsigned,
          requestPem: pem,
          signerName: "example.com/nobody",
          usages: ["digital signature", "server auth"],
          timeoutMs: 1500,
        }),
        {
          code: "timed_out",
          message: /^Cannot get a certificate by request "unsigned-/,
        },
      );
      for (const name of ["no-csr", unsigned]) {
        assert.equal(
          await client.find(CERTIFICATE_SIGNING_REQUEST, { name }),
          undefined,
        );
      }
    },
  );
});

/** A certificate request made by openssl. */
async function mustCsr(): Promise<string> {
  const { stdout, success } = await new Deno.Command("openssl", {
    args: [
      "req",
      "-new",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-keyout",
      "/dev/null",
      "-subj",
      "/O=example/CN=one",
    ],
    stderr: "null",
  }).output();
  assert.ok(success);
  return new TextDecoder().decode(stdout);
}
