// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { NO_METER } from "../../../lib/shared/base/mod.ts";

Deno.test("NO_METER ignores every call", () => {
  assert.equal(NO_METER.count("links"), undefined);
  assert.equal(NO_METER.set("devices", { value: 1 }), undefined);
  assert.equal(NO_METER.time("exec", { ms: 1 }), undefined);
});
