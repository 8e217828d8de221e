// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { refKey } from "../../../lib/operator/podspec/lookups.ts";

Deno.test("refKey() joins kind, namespace and name", () => {
  assert.equal(
    refKey("ConfigMap", { namespace: "a", name: "b" }),
    "ConfigMap/a/b",
  );
  assert.equal(refKey("Secret", { namespace: "a", name: "b" }), "Secret/a/b");
  assert.equal(refKey("Services", { namespace: "a" }), "Services/a/");
});
