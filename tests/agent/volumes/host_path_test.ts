// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { create, HostPathSchema } from "../../../lib/shared/wire/mod.ts";
import { ensureHostPath } from "../../../lib/agent/volumes/host_path.ts";
import { absentPath } from "../../_support/absent_path.ts";

const ABSENT = absentPath();

const ensure = (path: string, type: string) =>
  ensureHostPath(create(HostPathSchema, { path, type }));

for (
  const [type, path, refusal] of [
    ["Directory", "/tmp", undefined],
    ["Directory", ABSENT, "a directory"],
    ["Directory", "/etc/passwd", "a directory"],
    ["File", "/etc/passwd", undefined],
    ["File", "/tmp", "a file"],
    ["Socket", "/etc/passwd", "a socket file"],
    ["CharDevice", "/dev/null", undefined],
    ["CharDevice", "/etc/passwd", "a character device"],
    ["BlockDevice", "/etc/passwd", "a block device"],
    ["DirectoryOrCreate", "/etc/passwd", "a directory"],
    ["FileOrCreate", "/tmp", "a file"],
  ] as const
) {
  Deno.test(`ensureHostPath() ${refusal ? "throws" : "succeeds"} when ${path === ABSENT ? "nothing" : path} is to be "${type}"`, async () => {
    if (!refusal) return await ensure(path, type);
    await assert.rejects(ensure(path, type), {
      code: "invalid",
      message: `hostPath type check failed: ${path} is not ${refusal}`,
    });
  });
}

Deno.test("ensureHostPath() creates what is absent when the type allows it", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await ensure(`${dir}/a/b`, "DirectoryOrCreate");
    await ensure(`${dir}/a/f`, "FileOrCreate");
    await ensure(`${dir}/c/d`, "");
    await ensure(`${dir}/a/f`, "");
    assert.ok((await Deno.stat(`${dir}/a/b`)).isDirectory);
    assert.ok((await Deno.stat(`${dir}/a/f`)).isFile);
    assert.ok((await Deno.stat(`${dir}/c/d`)).isDirectory);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
