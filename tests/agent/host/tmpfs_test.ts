// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { TmpfsMounts } from "../../../lib/agent/host/mod.ts";

Deno.test("TmpfsMounts.mountTmpfs() mounts memory of a given size, which unmount() unmounts", async () => {
  const dir = await Deno.makeTempDir();
  const mounts = new TmpfsMounts();
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

Deno.test("TmpfsMounts.unmount() fails with the program's message", async () => {
  await assert.rejects(
    new TmpfsMounts().unmount("/nonexistent-folder"),
    /Cannot unmount "\/nonexistent-folder": .+/,
  );
});
