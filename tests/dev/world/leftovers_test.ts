// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { join, ROOT } from "../../../dev/base/paths.ts";
import { run } from "../../../dev/base/run.ts";
import {
  clearLeftovers,
  leftovers,
  makeWorldFolder,
  removeWorldFolder,
} from "../../../dev/world/leftovers.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

/** Makes a world's folder in a process that ends, and returns the folder. */
async function makeInEndedProcess(script: string): Promise<string> {
  return await run(Deno.execPath(), {
    args: [
      "eval",
      `import { makeWorldFolder, keepWorldFolder } from "${
        join(ROOT, "dev/world/leftovers.ts")
      }";
      const folder = await makeWorldFolder();
      await Deno.mkdir(folder + "/logs");
      await Deno.writeTextFile(folder + "/logs/agent.log", "cause");
      ${script}
      Deno.stdout.writeSync(new TextEncoder().encode(folder));`,
    ],
    cwd: ROOT,
  });
}

Deno.test("removeWorldFolder() may be called by two processes at the same time", async () => {
  const folder = await makeWorldFolder();
  for (const name of ["a", "b", "c", "d"]) {
    await Deno.mkdir(join(folder, name));
    await run("mount", { args: ["-t", "tmpfs", "none", join(folder, name)] });
  }
  await Promise.all([removeWorldFolder(folder), removeWorldFolder(folder)]);
  await assert.rejects(Deno.stat(folder), Deno.errors.NotFound);
});

Deno.test("clearLeftovers() keeps the logs that keepWorldFolder() kept, for three days", async () => {
  const folder = await makeInEndedProcess("await keepWorldFolder(folder);");
  try {
    assert.equal((await leftovers()).includes(folder), false);
    await clearLeftovers();
    assert.equal(
      await Deno.readTextFile(join(folder, "logs/agent.log")),
      "cause",
    );
    const later = await leftovers({ nowMs: Date.now() + 4 * DAY_MS });
    assert.equal(later.includes(folder), true);
  } finally {
    await removeWorldFolder(folder);
  }
});
