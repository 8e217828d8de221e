// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { HostMounts } from "../../../lib/agent/host/mod.ts";
import { unmountBelow } from "../../../lib/agent/volumes/mounts.ts";
import { absentPath } from "../../_support/absent_path.ts";

Deno.test("unmountBelow() unmounts nested mounts below the directory only", async () => {
  const root = await Deno.makeTempDir();
  const mounts = new HostMounts();
  await Deno.mkdir(`${root}/pod/a`, { recursive: true });
  await Deno.mkdir(`${root}/pod-2`);
  await mounts.mountTmpfs(`${root}/pod/a`, { sizeBytes: 65_536 });
  await Deno.mkdir(`${root}/pod/a/b`);
  await mounts.mountTmpfs(`${root}/pod/a/b`, { sizeBytes: 65_536 });
  await mounts.mountTmpfs(`${root}/pod-2`, { sizeBytes: 65_536 });
  await unmountBelow(`${root}/pod`, mounts);
  const paths = (await mounts.listMounts()).map(({ path }) => path);
  assert.deepEqual(paths.filter((path) => path.startsWith(root)), [
    `${root}/pod-2`,
  ]);
  await unmountBelow(root, mounts);
  await Deno.remove(root, { recursive: true });
});

Deno.test("unmountBelow() does nothing when the directory does not exist", async () => {
  await unmountBelow(absentPath(), new HostMounts());
});
