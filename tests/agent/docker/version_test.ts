// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { pickVersion } from "../../../lib/agent/docker/version.ts";

Deno.test("pickVersion() takes the newest that both speak", () => {
  assert.equal(pickVersion("1.41", "h"), "1.41");
  assert.equal(pickVersion("1.43", "h"), "1.43");
  assert.equal(pickVersion("1.52", "h"), "1.44");
});

Deno.test("pickVersion() refuses engines that are too old or no engines", () => {
  for (const version of ["1.40", "", undefined, "2.0"]) {
    assert.throws(() => pickVersion(version, "h"), { code: "unsupported" });
  }
});
