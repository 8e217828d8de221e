// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { buildInfraArchive } from "../../../lib/agent/runtime/infra_image.ts";

/** Runs the machine's own tar on an archive. */
async function list(archive: Uint8Array, ...args: string[]) {
  const child = new Deno.Command("tar", {
    args: [...args, "-f", "-"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(archive);
  await writer.close();
  const { success, stdout } = await child.output();
  assert.ok(success);
  return stdout;
}

Deno.test("buildInfraArchive() writes an archive for docker load, the same bytes each time", async () => {
  const archive = await buildInfraArchive("arm64");
  assert.deepEqual(await buildInfraArchive("arm64"), archive);
  const names = new TextDecoder().decode(await list(archive, "-t")).trim();
  assert.match(names, /^[0-9a-f]{64}\.json\nlayer\.tar\nmanifest\.json$/);
  const layer = await list(archive, "-x", "-O", "layer.tar");
  const lines = new TextDecoder().decode(await list(layer, "-t", "-v"));
  assert.match(lines, /^-rwxr-xr-x \S+ +240 .* infra\n-rwxr-xr-x .* relay\n$/);
});
