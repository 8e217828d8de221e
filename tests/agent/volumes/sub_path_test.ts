// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { create, MountSchema } from "../../../lib/shared/wire/mod.ts";
import { HostMounts } from "../../../lib/agent/host/mod.ts";
import { unmountBelow } from "../../../lib/agent/volumes/mounts.ts";
import {
  mountSubPath,
  resolveSubPath,
} from "../../../lib/agent/volumes/sub_path.ts";

const mounts = new HostMounts();

interface VolumeFixture {
  /** Root of the volume. */
  dir: string;
  /** Path to mount on. */
  target: string;
  /** A directory outside of the volume, in the same file system. */
  outside: string;
}

async function withVolume(
  work: (volume: VolumeFixture) => Promise<void>,
): Promise<void> {
  const root = await Deno.makeTempDir();
  const dir = `${root}/volume`;
  const outside = `${root}/outside`;
  try {
    await Deno.mkdir(dir);
    await Deno.mkdir(outside);
    await Deno.chmod(dir, 0o2777);
    await work({ dir, outside, target: `${root}/target` });
  } finally {
    await unmountBelow(root, mounts);
    await Deno.remove(root, { recursive: true });
  }
}

const mountOf = (subPath: string) =>
  create(MountSchema, { volume: "work", subPath });

for (const subPath of ["../x", "a/../../x", "/etc", "link/passwd", "link"]) {
  Deno.test(`mountSubPath() throws when "${subPath}" leads out of the volume`, () =>
    withVolume(async ({ dir, target }) => {
      await Deno.symlink("/etc", `${dir}/link`);
      const expected = {
        code: "invalid",
        message:
          `Cannot mount subPath "${subPath}" of volume "work": the path leads out of the volume`,
      };
      const mount = mountOf(subPath);
      await assert.rejects(
        mountSubPath(dir, { mount, target, mounts }),
        expected,
      );
      await assert.rejects(resolveSubPath(dir, mount), expected);
    }));
}

Deno.test("mountSubPath() creates nothing behind a link that leads out of the volume", () =>
  withVolume(async ({ dir, target, outside }) => {
    await Deno.symlink(outside, `${dir}/a`);
    await assert.rejects(
      mountSubPath(dir, { mount: mountOf("a/new/deep"), target, mounts }),
      /the path leads out of the volume/,
    );
    assert.deepEqual(await Array.fromAsync(Deno.readDir(outside)), []);
  }));

for (const subPath of ["d", "d/new"]) {
  Deno.test(`mountSubPath() throws when a container replaces "d" by a link before "${subPath}" is mounted`, () =>
    withVolume(async ({ dir, target, outside }) => {
      await Deno.mkdir(`${dir}/d`);
      const racing = {
        listMounts: () => mounts.listMounts(),
        unmount: (path: string) => mounts.unmount(path),
        bindMount: async (source: string, path: string) => {
          await Deno.rename(`${dir}/d`, `${dir}/moved`);
          await Deno.symlink(outside, `${dir}/d`);
          await mounts.bindMount(source, path);
        },
      };
      await assert.rejects(
        mountSubPath(dir, { mount: mountOf(subPath), target, mounts: racing }),
        { code: "conflict", message: /the path was replaced meanwhile/ },
      );
      assert.deepEqual(await Array.fromAsync(Deno.readDir(outside)), []);
      await assert.rejects(Deno.lstat(target), Deno.errors.NotFound);
    }));
}

Deno.test("mountSubPath() mounts a file, and again what replaced it", () =>
  withVolume(async ({ dir, target }) => {
    const options = { mount: mountOf("conf"), target, mounts };
    await Deno.writeTextFile(`${dir}/conf`, "1");
    await mountSubPath(dir, options);
    assert.equal(await Deno.readTextFile(target), "1");
    await Deno.remove(`${dir}/conf`);
    await Deno.mkdir(`${dir}/conf/deep`, { recursive: true });
    await mountSubPath(dir, options);
    assert.ok((await Deno.stat(`${target}/deep`)).isDirectory);
  }));

Deno.test("mountSubPath() mounts once when it is called again", () =>
  withVolume(async ({ dir, target }) => {
    const options = { mount: mountOf("a/b"), target, mounts };
    await mountSubPath(dir, options);
    await mountSubPath(dir, options);
    const path = await Deno.realPath(target);
    const entries = await mounts.listMounts();
    assert.equal(entries.filter((one) => one.path === path).length, 1);
  }));

Deno.test("mountSubPath() follows links inside the volume", () =>
  withVolume(async ({ dir, target }) => {
    await Deno.mkdir(`${dir}/releases/1`, { recursive: true });
    await Deno.writeTextFile(`${dir}/releases/1/own`, "");
    await Deno.symlink("releases/1", `${dir}/current`);
    await mountSubPath(dir, { mount: mountOf("current"), target, mounts });
    await Deno.stat(`${target}/own`);
  }));

Deno.test("mountSubPath() creates absent directories with the mode of the volume", () =>
  withVolume(async ({ dir, target }) => {
    await mountSubPath(dir, { mount: mountOf("a/b"), target, mounts });
    for (const path of [target, `${dir}/a`, `${dir}/a/b`]) {
      const { mode } = await Deno.stat(path);
      assert.equal((mode ?? 0) & 0o7777, 0o2777, path);
    }
  }));

Deno.test("resolveSubPath() follows links inside the volume", () =>
  withVolume(async ({ dir }) => {
    await Deno.mkdir(`${dir}/..data/conf`, { recursive: true });
    await Deno.symlink("..data/conf", `${dir}/conf`);
    assert.equal(
      await resolveSubPath(dir, mountOf("conf")),
      `${await Deno.realPath(dir)}/..data/conf`,
    );
  }));

Deno.test("resolveSubPath() throws when the path does not exist", () =>
  withVolume(async ({ dir }) => {
    await assert.rejects(resolveSubPath(dir, mountOf("a")), {
      code: "invalid",
      message: /the path does not exist/,
    });
  }));
