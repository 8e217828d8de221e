// SPDX-License-Identifier: Apache-2.0
/** Test images, made from Debian's static busybox instead of a registry. */
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
  const work = await Deno.makeTempDir({ prefix: "aranya-image-" });
  try {
    const archive = await makeRoot(work);
    await docker(["import", "-c", 'CMD ["sh"]', archive, IMAGES.busybox]);
    await docker([
      "import",
      ...changes([
        'ENTRYPOINT ["/bin/sh", "-c"]',
        'CMD ["echo from the image; id -u; pwd; echo $WORD"]',
        "WORKDIR /srv",
        "ENV WORD=configured",
        "USER 1000",
      ]),
      archive,
      IMAGES.configured,
    ]);
    await Deno.mkdir(join(work, "empty/none"), { recursive: true });
    const empty = join(work, "empty.tar");
    await run("tar", {
      args: ["-cf", empty, "-C", join(work, "empty"), "none"],
    });
    await docker([
      "import",
      "-c",
      'CMD ["/none/at-all"]',
      empty,
      IMAGES.empty,
    ]);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

function changes(lines: string[]): string[] {
  return lines.flatMap((line) => ["-c", line]);
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
