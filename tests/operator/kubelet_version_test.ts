// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  KUBELET_VERSION,
  readKubeletVersion,
  toKubeletVersion,
} from "../../lib/operator/kubelet_version.ts";

Deno.test("toKubeletVersion() is never newer than the API server", () => {
  const cases: [string, string][] = [
    ["v1.33.4", "v1.33.0"],
    ["1.32.0+k3s1", "v1.32.0"],
    ["v1.34.2", KUBELET_VERSION],
    ["v1.36.0-alpha.1", KUBELET_VERSION],
    ["unknown", KUBELET_VERSION],
  ];
  for (const [gitVersion, expected] of cases) {
    assert.equal(toKubeletVersion(gitVersion), expected, gitVersion);
  }
});

Deno.test("readKubeletVersion() asks the API server", async () => {
  const client = { version: () => Promise.resolve({ gitVersion: "v1.31.1" }) };
  assert.equal(
    await readKubeletVersion(client, new AbortController().signal),
    "v1.31.0",
  );
});
