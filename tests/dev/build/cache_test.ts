// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { ensureCached } from "../../../dev/build/cache.ts";
import { join, ROOT } from "../../../dev/base/paths.ts";
import { tryRun } from "../../../dev/base/run.ts";

async function withCache(work: (root: string) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir({ prefix: "aranya-test-" });
  const before = Deno.env.get("ARANYA_CACHE");
  Deno.env.set("ARANYA_CACHE", root);
  try {
    await work(root);
  } finally {
    if (before === undefined) Deno.env.delete("ARANYA_CACHE");
    else Deno.env.set("ARANYA_CACHE", before);
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("ensureCached() makes a folder once when several processes need it at the same time", async () => {
  await withCache(async (root) => {
    const script = `
      import { ensureCached } from "${join(ROOT, "dev/build/cache.ts")}";
      await ensureCached("thing-1", ["made"], async (folder) => {
        const trace = await Deno.open("${root}/trace", { append: true, create: true });
        await trace.write(new TextEncoder().encode("made\\n"));
        trace.close();
        await Deno.writeTextFile(folder + "/made", "");
      });`;
    const start = () =>
      tryRun(Deno.execPath(), {
        args: ["eval", script],
        cwd: ROOT,
        env: { ARANYA_CACHE: root },
      });
    const results = await Promise.all([start(), start(), start()]);
    assert.deepEqual(results.map((one) => one.code), [0, 0, 0]);
    assert.equal(await Deno.readTextFile(join(root, "trace")), "made\n");
    assert.equal((await Deno.stat(join(root, "thing-1/made"))).size, 0);
  });
});

Deno.test("ensureCached() leaves no folder when making it fails", async () => {
  await withCache(async (root) => {
    const failing = ensureCached("thing-2", ["made"], async (folder) => {
      await Deno.writeTextFile(join(folder, "half"), "");
      throw new Error("no way out");
    });
    await assert.rejects(failing, /no way out/);
    const names: string[] = [];
    for await (const entry of Deno.readDir(root)) names.push(entry.name);
    assert.deepEqual(names, [".thing-2.lock"]);
  });
});

Deno.test("ensureCached() removes what a killed process left half-filled, of this name only", async () => {
  await withCache(async (root) => {
    for (const name of [".thing-3.abc123/half", ".thing-30.abc123/half"]) {
      await Deno.mkdir(join(root, name), { recursive: true });
    }
    await ensureCached("thing-3", ["made"], async (folder) => {
      await Deno.writeTextFile(join(folder, "made"), "");
    });
    const names: string[] = [];
    for await (const entry of Deno.readDir(root)) names.push(entry.name);
    assert.deepEqual(names.sort(), [
      ".thing-3.lock",
      ".thing-30.abc123",
      "thing-3",
    ]);
  });
});
