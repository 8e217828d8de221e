// SPDX-License-Identifier: Apache-2.0
/** Mounts of the machine: memory file systems (tmpfs) and bind mounts. */
import { AranyaError, fromUtf8, hasCode } from "../../shared/base/mod.ts";

const TIMEOUT_MS = 30_000;

/** A mounted file system, or a part of one. */
export interface MountEntry {
  /** Real path of the directory or file that it is mounted on. */
  path: string;
  /** Device number of the file system, as `major:minor`. */
  device: string;
  /** Path inside the file system that is visible at `path`. */
  root: string;
}

/**
 * Mounts and unmounts with the machine's programs `mount` and `umount`. Needs root, or
 * CAP_SYS_ADMIN.
 */
export class HostMounts {
  /** Whether the kernel may have the option `noswap`. */
  #hasNoswap = true;

  /**
   * Mounts a tmpfs on a directory that exists. It has neither devices nor set-user-id programs, and
   * is never swapped to disk where the kernel can keep it from that (6.4 and later).
   * @param options `sizeBytes` 0 leaves the kernel's default: half of the memory; `mode` and
   * `gid` are permission bits and group of its root
   * @throws {AranyaError} code "forbidden" without the right to mount, else "internal", with the
   * program's message
   */
  async mountTmpfs(
    path: string,
    options: { sizeBytes: number; mode?: number; gid?: number },
  ): Promise<void> {
    const { sizeBytes, mode = 0o755, gid = 0 } = options;
    const mount = (more: string[]) =>
      runMountProgram("mount", {
        action: `Cannot mount tmpfs on "${path}"`,
        args: [
          ...["-t", "tmpfs", "-o"],
          [
            "nosuid",
            "nodev",
            `mode=${mode.toString(8)}`,
            `gid=${gid}`,
            ...(sizeBytes > 0 ? [`size=${sizeBytes}`] : []),
            ...more,
          ].join(),
          ...["tmpfs", path],
        ],
      });
    if (this.#hasNoswap) {
      try {
        return void await mount(["noswap"]);
      } catch (error) {
        // An older kernel refuses the option, like anything else that is wrong.
        if (hasCode(error, "forbidden")) throw error;
      }
    }
    await mount([]);
    this.#hasNoswap = false;
  }

  /**
   * Mounts a directory or file on another one, without the mounts below it. The kernel resolves
   * links in the source once, at this moment.
   * @throws {AranyaError} as `mountTmpfs`
   */
  async bindMount(source: string, target: string): Promise<void> {
    await runMountProgram("mount", {
      action: `Cannot bind mount on "${target}"`,
      args: ["--bind", source, target],
    });
  }

  /**
   * Returns what the agent's process sees mounted, oldest first. A program reads it because Deno
   * denies reading /proc unless all permissions are granted.
   * @throws {AranyaError} code "internal" when it can't be read
   */
  async listMounts(): Promise<MountEntry[]> {
    const stdout = await runMountProgram("cat", {
      action: "Cannot list mounts",
      args: ["/proc/self/mountinfo"],
    });
    return parseMountInfo(fromUtf8(stdout));
  }

  /** Unmounts what is mounted on a path. @throws {AranyaError} as `mountTmpfs` */
  async unmount(path: string): Promise<void> {
    await runMountProgram("umount", {
      action: `Cannot unmount "${path}"`,
      args: [path],
    });
  }
}

/**
 * Parses proc_pid_mountinfo(5), whose columns are: mount id, parent id, major:minor, root, mount
 * point, and others.
 */
export function parseMountInfo(text: string): MountEntry[] {
  return text.split("\n").flatMap((line) => {
    const [, , device, root, path] = line.split(" ");
    return device !== undefined && root !== undefined && path !== undefined
      ? [{ path: unescapePath(path), device, root: unescapePath(root) }]
      : [];
  });
}

/** Replaces the octal escapes of blanks and backslashes. */
function unescapePath(text: string): string {
  return text.replace(
    /\\([0-7]{3})/g,
    (_, digits) => String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/** Returns what the program printed. */
async function runMountProgram(
  program: string,
  { action, args }: { action: string; args: string[] },
): Promise<Uint8Array> {
  let result: Deno.CommandOutput;
  try {
    result = await new Deno.Command(program, {
      args,
      stdin: "null",
      stdout: "piped",
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
  if (result.success) return result.stdout;
  const message = new TextDecoder().decode(result.stderr).trim().split("\n")[0];
  throw new AranyaError(
    /only root|permission denied|must be superuser/i.test(message ?? "")
      ? "forbidden"
      : "internal",
    `${action}: ${message || `${program} exited with ${result.code}`}`,
  );
}
