// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  toTlsContext,
  validateClientCa,
} from "../../../lib/operator/kubelet/serving_tls.ts";
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

Deno.test("validateClientCa() accepts a bundle, and refuses one with a certificate that can't be parsed", async () => {
  const { clientsCa } = await makeCertificates();
  validateClientCa(clientsCa + clientsCa);
  const broken =
    "-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n";
  for (const bundle of ["", "x", broken, clientsCa + broken]) {
    assert.throws(() => validateClientCa(bundle), { code: "invalid" });
  }
});
