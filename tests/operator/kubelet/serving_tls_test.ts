// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { toTlsContext } from "../../../lib/operator/kubelet/serving_tls.ts";
import { makeCertificates } from "../../../dev/world/kubelet_rig.ts";

Deno.test("toTlsContext() refuses a certificate that doesn't match its key", async () => {
  const { serving, renewed, clientsCa: clientCa } = await makeCertificates();
  const context = toTlsContext({ ...serving, clientCa }, "edge-1");
  assert.deepEqual(context, {
    ...serving,
    ca: clientCa,
    requestCert: true,
    rejectUnauthorized: false,
  });
  assert.throws(
    () => toTlsContext({ ...serving, key: renewed.key, clientCa }, "edge-1"),
    {
      code: "invalid",
      message: `Cannot serve node "edge-1": certificate and key don't match`,
    },
  );
  for (
    const broken of [{ cert: "x" }, { key: "x" }, { clientCa: "x" }, {
      cert: "",
    }]
  ) {
    assert.throws(
      () => toTlsContext({ ...serving, clientCa, ...broken }, "edge-1"),
      { code: "invalid", message: /can't be parsed/ },
    );
  }
});
