// SPDX-License-Identifier: Apache-2.0
/** Test images, made from Debian's static busybox instead of a registry. */
import { sha256Hex } from "../../lib/shared/base/mod.ts";
import { ensureProgram } from "../build/debian.ts";
import { join } from "../base/paths.ts";
import { run } from "../base/run.ts";

/** The test images by name. */
export const IMAGES = {
  /** busybox with all its applets; its command is a shell. */
  busybox: "busybox:1.35",
  /** The same with an entry point, a working folder, an environment variable and a user. */
  configured: "aranya-test/configured:1",
  /** Holds only an empty folder: every command is absent. */
  empty: "aranya-test/empty:1",
} as const;

/** Names of the test images. */
export type Images = typeof IMAGES;

/** What an image is made of. */
interface ImageParts {
  /** Its only layer. */
  layer: "linux" | "empty";
  /** `config` of the OCI image configuration. */
  config: Record<string, unknown>;
}

const PARTS: Record<keyof Images, ImageParts> = {
  busybox: { layer: "linux", config: { Cmd: ["sh"] } },
  configured: {
    layer: "linux",
    config: {
      Entrypoint: ["/bin/sh", "-c"],
      Cmd: ["echo from the image; id -u; pwd; echo $WORD"],
      WorkingDir: "/srv",
      Env: ["WORD=configured"],
      User: "1000",
    },
  },
  empty: { layer: "empty", config: { Cmd: ["/none/at-all"] } },
};

/**
 * Makes the test images on an engine, unless it has them all.
 * @param docker runs the docker client with these arguments and returns its output
 */
export async function loadImages(
  docker: (args: string[]) => Promise<string>,
): Promise<void> {
  const present = await docker([
    "images",
    "--format",
    "{{.Repository}}:{{.Tag}}",
  ]);
  if (Object.values(IMAGES).every((one) => present.split("\n").includes(one))) {
    return;
  }
  await withImageArchive((archive) => docker(["load", "--input", archive]));
}

/**
 * Calls `use` with the path of an archive of all test images, as `docker save` writes it (Docker
 * Image Specification v1.2), and removes it afterwards.
 */
export async function withImageArchive(
  use: (archive: string) => Promise<unknown>,
): Promise<void> {
  const work = await Deno.makeTempDir({ prefix: "aranya-image-" });
  try {
    await use(await makeArchive(work));
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

async function makeArchive(work: string): Promise<string> {
  const save = join(work, "save");
  await Deno.mkdir(save);
  const layers = {
    linux: await makeRoot(work),
    empty: await makeEmpty(work),
  };
  const diffIds = new Map<string, string>();
  for (const [name, path] of Object.entries(layers)) {
    diffIds.set(name, `sha256:${await sha256Hex(await Deno.readFile(path))}`);
    await Deno.rename(path, join(save, `${name}.tar`));
  }
  const manifest = [];
  for (const [key, { layer, config }] of Object.entries(PARTS)) {
    await Deno.writeTextFile(
      join(save, `${key}.json`),
      JSON.stringify({
        architecture: Deno.build.arch === "aarch64" ? "arm64" : "amd64",
        os: "linux",
        created: "2026-01-01T00:00:00Z",
        config,
        rootfs: { type: "layers", diff_ids: [diffIds.get(layer)] },
      }),
    );
    manifest.push({
      Config: `${key}.json`,
      RepoTags: [IMAGES[key as keyof Images]],
      Layers: [`${layer}.tar`],
    });
  }
  await Deno.writeTextFile(
    join(save, "manifest.json"),
    JSON.stringify(manifest),
  );
  const archive = join(work, "images.tar");
  await run("tar", { args: ["-cf", archive, "-C", save, "."] });
  return archive;
}

async function makeEmpty(work: string): Promise<string> {
  await Deno.mkdir(join(work, "empty/none"), { recursive: true });
  const archive = join(work, "empty.tar");
  await run("tar", {
    args: ["-cf", archive, "-C", join(work, "empty"), "none"],
  });
  return archive;
}

/**
 * Makes a tar of a small Linux: busybox under all its names, and folders and files that programs
 * expect.
 */
async function makeRoot(work: string): Promise<string> {
  const busybox = await ensureProgram("busybox", { package: "busybox-static" });
  const root = join(work, "root");
  for (
    const folder of [
      "bin",
      "etc",
      "tmp",
      "srv",
      "root",
      "proc",
      "sys",
      "dev",
      "var/run",
    ]
  ) {
    await Deno.mkdir(join(root, folder), { recursive: true });
  }
  await Deno.chmod(join(root, "tmp"), 0o1777);
  await Deno.copyFile(busybox, join(root, "bin/busybox"));
  await Deno.chmod(join(root, "bin/busybox"), 0o755);
  const applets = (await run(busybox, { args: ["--list"] })).trim().split("\n");
  for (const applet of applets) {
    if (applet !== "busybox") {
      await Deno.symlink("busybox", join(root, "bin", applet));
    }
  }
  await Deno.writeTextFile(
    join(root, "etc/passwd"),
    "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/tmp:/bin/sh\n",
  );
  await Deno.writeTextFile(
    join(root, "etc/group"),
    "root:x:0:\nuser:x:1000:\n",
  );
  const archive = join(work, "root.tar");
  await run("tar", {
    args: ["-cf", archive, "--owner=0", "--group=0", "-C", root, "."],
  });
  return archive;
}
