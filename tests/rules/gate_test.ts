// SPDX-License-Identifier: Apache-2.0
/**
 * What `deno task ok` checks beside tests is checked by `deno task test` too, so that CI sees it.
 */
import assert from "node:assert/strict";
import { ROOT } from "../../dev/base/paths.ts";

for (const task of ["fmt:check", "lint", "check", "docs", "proto:check"]) {
  Deno.test(`deno task ${task} finds nothing`, async () => {
    const { success, stdout, stderr } = await new Deno.Command(
      Deno.execPath(),
      { args: ["task", "--quiet", task], cwd: ROOT, env: { NO_COLOR: "1" } },
    ).output();
    const decoder = new TextDecoder();
    assert.ok(success, decoder.decode(stdout) + decoder.decode(stderr));
  });
}
