// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { DiskReserve } from "../../../lib/agent/state/disk_reserve.ts";
import { absentPath } from "../../_support/absent_path.ts";

Deno.test("fill() creates the file, and leaves one alone that is there", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const path = `${dir}/reserve`;
    const reserve = new DiskReserve({ path });
    assert.equal(await reserve.release(), false);
    assert.equal(await reserve.fill(), true);
    const { size, mtime } = await Deno.stat(path);
    assert.equal(size, 524_288);
    assert.equal(await reserve.fill(), true);
    assert.deepEqual((await Deno.stat(path)).mtime, mtime);
    await Deno.truncate(path, 5);
    assert.equal(await reserve.fill(), true);
    assert.equal((await Deno.stat(path)).size, size);
    assert.equal(await reserve.release(), true);
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("fill() returns false when the directory does not exist", async () => {
  const reserve = new DiskReserve({ path: `${absentPath()}/reserve` });
  assert.equal(await reserve.fill(), false);
});
