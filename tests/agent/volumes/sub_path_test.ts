// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { create, MountSchema } from "../../../lib/shared/wire/mod.ts";
import { resolveSubPath } from "../../../lib/agent/volumes/sub_path.ts";

async function withVolume(work: (dir: string) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir();
  const dir = `${root}/volume`;
  try {
    await Deno.mkdir(dir);
    await Deno.chmod(dir, 0o2777);
    await work(dir);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const mountOf = (subPath: string) =>
  create(MountSchema, { volume: "work", subPath });

for (const subPath of ["../x", "a/../../x", "/etc", "link/passwd", "link"]) {
  Deno.test(`resolveSubPath() throws when "${subPath}" leads out of the volume`, () =>
    withVolume(async (dir) => {
      await Deno.symlink("/etc", `${dir}/link`);
      await assert.rejects(
        resolveSubPath(dir, { mount: mountOf(subPath), mayCreate: true }),
        {
          code: "invalid",
          message:
            `Cannot mount subPath "${subPath}" of volume "work": the path leads out of the volume`,
        },
      );
    }));
}

Deno.test("resolveSubPath() follows links inside the volume", () =>
  withVolume(async (dir) => {
    await Deno.mkdir(`${dir}/..data/conf`, { recursive: true });
    await Deno.symlink("..data/conf", `${dir}/conf`);
    assert.equal(
      await resolveSubPath(dir, { mount: mountOf("conf"), mayCreate: false }),
      `${await Deno.realPath(dir)}/..data/conf`,
    );
  }));

Deno.test("resolveSubPath() creates an absent directory with the mode of the volume", () =>
  withVolume(async (dir) => {
    const path = await resolveSubPath(dir, {
      mount: mountOf("a/b"),
      mayCreate: true,
    });
    const { mode } = await Deno.stat(path);
    assert.equal((mode ?? 0) & 0o7777, 0o2777);
  }));

Deno.test("resolveSubPath() throws when the path does not exist and must not be created", () =>
  withVolume(async (dir) => {
    await assert.rejects(
      resolveSubPath(dir, { mount: mountOf("a"), mayCreate: false }),
      { code: "invalid", message: /the path does not exist/ },
    );
  }));
