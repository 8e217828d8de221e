// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { RefusalReason } from "../../../lib/shared/wire/mod.ts";
import {
  toRefusalCode,
  toRefusalName,
} from "../../../lib/shared/wire/refusal.ts";

Deno.test("toRefusalCode() and toRefusalName() cover every reason", () => {
  const table = [
    [RefusalReason.UNSPECIFIED, "unavailable", "UNSPECIFIED"],
    [RefusalReason.UNKNOWN_DEVICE, "unauthorized", "UNKNOWN_DEVICE"],
    [RefusalReason.BAD_CREDENTIAL, "unauthorized", "BAD_CREDENTIAL"],
    [RefusalReason.VERSION, "unsupported", "VERSION"],
    [RefusalReason.DUPLICATE_DEVICE, "conflict", "DUPLICATE_DEVICE"],
    [RefusalReason.NOT_LEADER, "unavailable", "NOT_LEADER"],
    [RefusalReason.OVERLOADED, "unavailable", "OVERLOADED"],
    [99 as RefusalReason, "unavailable", "99"],
  ] as const;
  for (const [reason, code, name] of table) {
    assert.equal(toRefusalCode(reason), code);
    assert.equal(toRefusalName(reason), name);
  }
});
