// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { selectApiVersion } from "../../../lib/agent/docker/version.ts";

Deno.test("selectApiVersion() returns the newest version that both sides speak", () => {
  assert.equal(selectApiVersion("1.41", "h"), "1.41");
  assert.equal(selectApiVersion("1.43", "h"), "1.43");
  assert.equal(selectApiVersion("1.52", "h"), "1.44");
});

Deno.test("selectApiVersion() throws when the engine is too old or names no version", () => {
  for (const version of ["1.40", "", undefined, "2.0"]) {
    assert.throws(() => selectApiVersion(version, "h"), {
      code: "unsupported",
    });
  }
});
