// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { utf8 } from "../../../lib/shared/base/mod.ts";
import {
  isFilesVolume,
  type VolumeFile,
  writeFilesVolume,
} from "../../../lib/agent/volumes/files_volume.ts";

async function withDir(work: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await work(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const file = (path: string, text: string, mode = 0o644): VolumeFile => ({
  path,
  content: utf8(text),
  mode,
});

async function namesIn(dir: string): Promise<string[]> {
  const names = await Array.fromAsync(Deno.readDir(dir), ({ name }) => name);
  return names.filter((name) => !/^\.\.[0-9a-f]{8}$/.test(name)).sort();
}

Deno.test("writeFilesVolume() shows each file under its name, with its mode", () =>
  withDir(async (dir) => {
    await writeFilesVolume({
      dir,
      files: [file("a", "1"), file("sub/b", "2", 0o400)],
    });
    assert.deepEqual(await namesIn(dir), ["..data", "a", "sub"]);
    assert.equal(await Deno.readTextFile(`${dir}/a`), "1");
    assert.equal(await Deno.readTextFile(`${dir}/sub/b`), "2");
    assert.equal((await Deno.stat(`${dir}/sub/b`)).mode, 0o100400);
  }));

Deno.test("writeFilesVolume() changes all files by one swap and leaves nothing behind", () =>
  withDir(async (dir) => {
    await writeFilesVolume({ dir, files: [file("a", "1"), file("b", "1")] });
    const first = await Deno.readLink(`${dir}/..data`);
    const { changed } = await writeFilesVolume({
      dir,
      files: [file("a", "2"), file("c", "2")],
    });
    assert.equal(changed, true);
    assert.notEqual(await Deno.readLink(`${dir}/..data`), first);
    assert.deepEqual(await namesIn(dir), ["..data", "a", "c"]);
    assert.equal(await Deno.readTextFile(`${dir}/a`), "2");
    await assert.rejects(Deno.lstat(`${dir}/${first}`), Deno.errors.NotFound);
  }));

Deno.test("writeFilesVolume() writes nothing when the volume holds these files already", () =>
  withDir(async (dir) => {
    const files = [file("a", "1"), file("sub/b", "2")];
    await writeFilesVolume({ dir, files });
    const first = await Deno.readLink(`${dir}/..data`);
    assert.deepEqual(await writeFilesVolume({ dir, files }), {
      changed: false,
    });
    assert.equal(await Deno.readLink(`${dir}/..data`), first);
  }));

Deno.test("writeFilesVolume() writes when there is a file too many or another mode", () =>
  withDir(async (dir) => {
    await writeFilesVolume({ dir, files: [file("a", "1"), file("b", "1")] });
    const fewer = await writeFilesVolume({ dir, files: [file("a", "1")] });
    assert.equal(fewer.changed, true);
    const mode = await writeFilesVolume({
      dir,
      files: [file("a", "1", 0o600)],
    });
    assert.equal(mode.changed, true);
  }));

Deno.test("writeFilesVolume() makes files readable for the group of fsGroup", () =>
  withDir(async (dir) => {
    await writeFilesVolume({ dir, files: [file("a", "1", 0o400)], gid: 2_000 });
    const { gid, mode } = await Deno.stat(`${dir}/a`);
    assert.equal(gid, 2_000);
    assert.equal(mode, 0o100440);
  }));

for (const path of ["../x", "a/../../x", "/x", "", "..data", "a//b"]) {
  Deno.test(`writeFilesVolume() throws when the path is "${path}"`, () =>
    withDir(async (dir) => {
      await assert.rejects(
        writeFilesVolume({ dir, files: [file(path, "1")] }),
        {
          code: "invalid",
          message:
            `Cannot write file "${path}" to volume: not a relative path inside the volume`,
        },
      );
      assert.deepEqual(await namesIn(dir), []);
    }));
}

Deno.test("writeFilesVolume() creates an empty volume, and links that are missing", () =>
  withDir(async (dir) => {
    await writeFilesVolume({ dir, files: [] });
    assert.deepEqual(await namesIn(dir), ["..data"]);
    await writeFilesVolume({ dir, files: [file("a", "1")] });
    await Deno.remove(`${dir}/a`);
    await writeFilesVolume({ dir, files: [file("a", "1")] });
    assert.equal(await Deno.readTextFile(`${dir}/a`), "1");
  }));

Deno.test("writeFilesVolume() removes what an interrupted call has left, also without a change", () =>
  withDir(async (dir) => {
    const files = [file("a", "1")];
    await writeFilesVolume({ dir, files });
    // The call before was interrupted between swap and removal.
    await Deno.mkdir(`${dir}/..0123abcd`);
    await Deno.symlink("..data/old", `${dir}/old`);
    assert.deepEqual(await writeFilesVolume({ dir, files }), {
      changed: false,
    });
    assert.deepEqual(await namesIn(dir), ["..data", "a"]);
    await assert.rejects(Deno.stat(`${dir}/..0123abcd`), Deno.errors.NotFound);
  }));

Deno.test("isFilesVolume() is true once files were written", () =>
  withDir(async (dir) => {
    assert.equal(await isFilesVolume(dir), false);
    assert.equal(await isFilesVolume(`${dir}/absent`), false);
    await writeFilesVolume({ dir, files: [] });
    assert.equal(await isFilesVolume(dir), true);
  }));
