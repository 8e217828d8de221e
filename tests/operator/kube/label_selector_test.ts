// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { toLabelSelector } from "../../../lib/operator/kube/label_selector.ts";

Deno.test("toLabelSelector() requires every label", () => {
  assert.equal(
    toLabelSelector({ app: "web", "example.org/tier": "db" }),
    "app=web,example.org/tier=db",
  );
});
