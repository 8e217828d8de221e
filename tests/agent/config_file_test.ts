// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { ConfigFile } from "../../lib/agent/config_file.ts";

/** Runs `work` with a file of this content. */
async function withFile(
  { text, mode = 0o600 }: { text: string; mode?: number },
  work: (path: string) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    const path = `${dir}/agent.yaml`;
    await Deno.writeTextFile(path, text);
    await Deno.chmod(path, mode);
    await work(path);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("ConfigFile.change() keeps the file's mode, and makes all of several changes", async () => {
  await withFile({ text: "0", mode: 0o640 }, async (path) => {
    const file = new ConfigFile(path);
    const changes = Array.from({ length: 5 }, () =>
      file.change({
        action: "Cannot count",
        toText: (text) => String(Number(text) + 1),
      }));
    await Promise.all(changes);
    assert.equal(await Deno.readTextFile(path), "5");
    const { mode } = await Deno.stat(path);
    assert.equal((mode ?? 0) & 0o777, 0o640);
  });
});

Deno.test("ConfigFile.change() does not write a text that is the same", async () => {
  await withFile({ text: "a" }, async (path) => {
    const before = await Deno.stat(path);
    const change = { action: "Cannot change", toText: (text: string) => text };
    await new ConfigFile(path).change(change);
    const after = await Deno.stat(path);
    assert.equal(after.ino, before.ino);
  });
});

Deno.test("ConfigFile.change() fails when the file is missing", async () => {
  const change = { action: "Cannot rotate credential", toText: () => "" };
  await assert.rejects(
    new ConfigFile("/absent/agent.yaml").change(change),
    /^AranyaError: Cannot rotate credential: cannot read "\/absent\/agent.yaml"/,
  );
});
