// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createTmpfsMounts } from "../../../lib/agent/host/mod.ts";

Deno.test("createTmpfsMounts() mounts and unmounts memory of a given size", async () => {
  const dir = await Deno.makeTempDir();
  const mounts = createTmpfsMounts();
  await mounts.mountTmpfs(dir, { sizeBytes: 65_536 });
  try {
    await Deno.writeFile(`${dir}/small`, new Uint8Array(1_000));
    await assert.rejects(
      Deno.writeFile(`${dir}/large`, new Uint8Array(100_000)),
      /No space left/,
    );
  } finally {
    await mounts.unmount(dir);
  }
  assert.deepEqual(await Array.fromAsync(Deno.readDir(dir)), []);
  await Deno.remove(dir);
});

Deno.test("createTmpfsMounts() says why it can't unmount", async () => {
  await assert.rejects(
    createTmpfsMounts().unmount("/nonexistent-folder"),
    /Cannot unmount "\/nonexistent-folder": .+/,
  );
});
