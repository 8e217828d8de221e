// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { measureFiles } from "../../../lib/agent/host/file_usage.ts";

Deno.test("measureFiles() returns the space of the files in a directory, without its directories", async () => {
  const dir = await Deno.makeTempDir();
  try {
    assert.equal(await measureFiles(dir), 0);
    for (const name of ["a.log", "a.log.1"]) {
      await Deno.writeFile(`${dir}/${name}`, new Uint8Array(100_000).fill(1));
    }
    await Deno.mkdir(`${dir}/mounts`);
    await Deno.writeFile(`${dir}/mounts/big`, new Uint8Array(1_000_000));
    await Deno.symlink(`${dir}/mounts/big`, `${dir}/link`);
    const usedBytes = await measureFiles(dir);
    assert.ok(usedBytes >= 200_000 && usedBytes < 300_000, String(usedBytes));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("measureFiles() returns 0 for a directory that does not exist", async () => {
  assert.equal(await measureFiles("/nonexistent/containers"), 0);
});
