// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import {
  CERTIFICATE_SIGNING_REQUEST,
  createInformer,
  createKubeClient,
  requestCertificate,
} from "../../../lib/operator/kube/mod.ts";
import { openCluster } from "../../_support/cluster.ts";

const mark = crypto.randomUUID().slice(0, 8);

Deno.test("requestCertificate()", async (t) => {
  await using cluster = await openCluster();
  await using client = await createKubeClient({
    kubeconfigFile: cluster.kubeconfig,
    log: SILENT_LOGGER,
  });
  await using informer = createInformer({
    client,
    type: CERTIFICATE_SIGNING_REQUEST,
    log: SILENT_LOGGER,
  });
  const find = (name: string) =>
    client.find(CERTIFICATE_SIGNING_REQUEST, { name });

  await t.step(
    "rejects when the API server refuses the request object",
    async () => {
      const name = `invalid-${mark}`;
      await assert.rejects(
        requestCertificate({
          client,
          informer,
          name,
          requestPem: "not a request",
          signerName: "kubernetes.io/kubelet-serving",
          usages: ["server auth"],
          timeoutMs: 60_000,
        }),
        { code: "invalid" },
      );
      assert.equal(await find(name), undefined);
    },
  );

  await t.step(
    "rejects and deletes the request object when no signer signs it",
    async () => {
      const name = `unsigned-${mark}`;
      await assert.rejects(
        requestCertificate({
          client,
          informer,
          name,
          requestPem: await createRequestPem(),
          signerName: "example.com/nobody",
          usages: ["digital signature", "server auth"],
          timeoutMs: 5000,
        }),
        {
          code: "timed_out",
          message: /^Cannot get certificate for signing request "unsigned-/,
        },
      );
      assert.equal(await find(name), undefined);
    },
  );
});

/** Returns a PKCS #10 request made by openssl. */
async function createRequestPem(): Promise<string> {
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
