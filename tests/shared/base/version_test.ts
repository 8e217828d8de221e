// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { ROOT } from "../../../dev/base/paths.ts";
import { VERSION } from "../../../lib/shared/base/version.ts";

Deno.test("VERSION is the version of deno.json", async () => {
  const { version } = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`));
  assert.equal(VERSION, version);
});
