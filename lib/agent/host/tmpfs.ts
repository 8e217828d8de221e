// SPDX-License-Identifier: Apache-2.0
/** Memory file systems (tmpfs). */
import { AranyaError } from "../../shared/base/mod.ts";

const TIMEOUT_MS = 30_000;

/**
 * Mounts and unmounts tmpfs with the machine's programs `mount` and `umount`. Needs root, or
 * CAP_SYS_ADMIN.
 */
export class TmpfsMounts {
  /**
   * Mounts a tmpfs on a directory that exists.
   * @param options `sizeBytes` 0 leaves the kernel's default: half of the memory
   * @throws {AranyaError} code "forbidden" without the right to mount, else "internal", with the
   * program's message
   */
  mountTmpfs(path: string, options: { sizeBytes: number }): Promise<void> {
    const { sizeBytes } = options;
    return runMountProgram("mount", {
      action: `Cannot mount tmpfs on "${path}"`,
      args: [
        ...["-t", "tmpfs"],
        ...(sizeBytes > 0 ? ["-o", `size=${sizeBytes}`] : []),
        ...["tmpfs", path],
      ],
    });
  }

  /** Unmounts what is mounted on a directory. @throws {AranyaError} as `mountTmpfs` */
  unmount(path: string): Promise<void> {
    return runMountProgram("umount", {
      action: `Cannot unmount "${path}"`,
      args: [path],
    });
  }
}

async function runMountProgram(
  program: string,
  { action, args }: { action: string; args: string[] },
): Promise<void> {
  let result: Deno.CommandOutput;
  try {
    result = await new Deno.Command(program, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      // The messages below are matched in English.
      env: { LC_ALL: "C" },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).output();
  } catch (error) {
    throw new AranyaError(
      "internal",
      `${action}: the program "${program}" can't be run`,
      { cause: error },
    );
  }
  if (result.success) return;
  const message = new TextDecoder().decode(result.stderr).trim().split("\n")[0];
  throw new AranyaError(
    /only root|permission denied|must be superuser/i.test(message ?? "")
      ? "forbidden"
      : "internal",
    `${action}: ${message || `${program} exited with ${result.code}`}`,
  );
}
