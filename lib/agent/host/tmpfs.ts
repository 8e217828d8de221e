// SPDX-License-Identifier: Apache-2.0
/** Memory file systems, by the programs `mount` and `umount`. */
import { AranyaError } from "../../shared/base/mod.ts";

/** Mounts and unmounts; needs root (or CAP_SYS_ADMIN). */
export interface TmpfsMounts {
  /** Mounts a tmpfs on this folder. `sizeBytes` 0: half of the memory. @throws {AranyaError} "forbidden" or "internal" with the program's words */
  mountTmpfs(path: string, options: { sizeBytes: number }): Promise<void>;
  /** Unmounts it. @throws {AranyaError} as above */
  unmount(path: string): Promise<void>;
}

const TIMEOUT_MS = 30_000;

/** Mounts by the programs of this machine. */
export function createTmpfsMounts(): TmpfsMounts {
  return {
    mountTmpfs: (path, { sizeBytes }) =>
      run("mount", {
        action: `Cannot mount tmpfs on "${path}"`,
        args: [
          ...["-t", "tmpfs"],
          ...(sizeBytes > 0 ? ["-o", `size=${sizeBytes}`] : []),
          ...["tmpfs", path],
        ],
      }),
    unmount: (path) =>
      run("umount", { action: `Cannot unmount "${path}"`, args: [path] }),
  };
}

async function run(
  program: string,
  { action, args }: { action: string; args: string[] },
): Promise<void> {
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(program, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
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
  if (output.success) return;
  const text = new TextDecoder().decode(output.stderr).trim().split("\n")[0];
  throw new AranyaError(
    /only root|permission denied|must be superuser/i.test(text ?? "")
      ? "forbidden"
      : "internal",
    `${action}: ${text || `${program} exited with ${output.code}`}`,
  );
}
