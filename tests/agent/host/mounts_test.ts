// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { HostMounts } from "../../../lib/agent/host/mod.ts";
import { parseMountInfo } from "../../../lib/agent/host/mounts.ts";
import { absentPath } from "../../_support/absent_path.ts";

Deno.test("HostMounts.mountTmpfs() mounts memory of a given size, which unmount() unmounts", async () => {
  const dir = await Deno.makeTempDir();
  const mounts = new HostMounts();
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

Deno.test("HostMounts.mountTmpfs() allows neither devices nor set-user-id programs, also a second time", async () => {
  const dir = await Deno.makeTempDir();
  const mounts = new HostMounts();
  try {
    for (const mode of [0o755, 0o2777]) {
      await mounts.mountTmpfs(dir, { sizeBytes: 0, mode });
      try {
        assert.equal(((await Deno.stat(dir)).mode ?? 0) & 0o7777, mode);
        const line = (await Deno.readTextFile("/proc/self/mounts")).split("\n")
          .find((one) => one.includes(` ${dir} `));
        assert.match(line ?? "", /nosuid,nodev/);
      } finally {
        await mounts.unmount(dir);
      }
    }
  } finally {
    await Deno.remove(dir);
  }
});

Deno.test("HostMounts.unmount() fails with the program's message", async () => {
  const path = absentPath();
  const refused = new HostMounts().unmount(path);
  await assert.rejects(
    refused,
    ({ message }) => message.startsWith(`Cannot unmount "${path}": `),
  );
});

Deno.test("HostMounts.listMounts() returns what bindMount() has mounted where", async () => {
  const dir = await Deno.makeTempDir();
  const mounts = new HostMounts();
  await Deno.mkdir(`${dir}/a b`);
  await Deno.mkdir(`${dir}/target`);
  await mounts.bindMount(`${dir}/a b`, `${dir}/target`);
  try {
    const found = (await mounts.listMounts())
      .find(({ path }) => path === `${dir}/target`);
    assert.ok(found);
    assert.ok(found.root.endsWith(`${dir.slice(dir.lastIndexOf("/"))}/a b`));
  } finally {
    await mounts.unmount(`${dir}/target`);
  }
  await Deno.remove(dir, { recursive: true });
});

Deno.test("parseMountInfo() decodes escapes and skips incomplete lines", () => {
  assert.deepEqual(
    parseMountInfo(
      "36 35 98:0 /mnt1\\134x /mnt\\0402 rw master:1 - ext3 /dev/root rw\n\n7 1",
    ),
    [{ path: "/mnt 2", device: "98:0", root: "/mnt1\\x" }],
  );
});
