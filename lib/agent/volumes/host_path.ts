// SPDX-License-Identifier: Apache-2.0
/** Checks of hostPath volumes. */
import { AranyaError } from "../../shared/base/mod.ts";
import type { HostPath } from "../../shared/wire/mod.ts";
import { ignoreNotFound } from "./not_found.ts";

/**
 * Checks that the path on the device is of the volume's `type` (HostPathType of the core/v1 API),
 * and creates it for the two types that ask for it. Modes are those of a kubelet: directories 0755,
 * files 0644. Without a type nothing is checked, and an absent path becomes a directory, as with
 * the kubelet's container runtimes.
 * @throws {AranyaError} code "invalid" when the path is something else
 */
export async function ensureHostPath({ path, type }: HostPath): Promise<void> {
  const info = await ignoreNotFound(Deno.stat(path));
  switch (type) {
    case "":
      if (!info) await Deno.mkdir(path, { recursive: true, mode: 0o755 });
      return;
    case "DirectoryOrCreate":
      if (!info) {
        return await Deno.mkdir(path, { recursive: true, mode: 0o755 });
      }
      return check(info.isDirectory, { path, expected: "a directory" });
    case "FileOrCreate":
      if (!info) {
        return await Deno.writeFile(path, new Uint8Array(), { mode: 0o644 });
      }
      return check(info.isFile, { path, expected: "a file" });
    case "Directory":
      return check(info?.isDirectory, { path, expected: "a directory" });
    case "File":
      return check(info?.isFile, { path, expected: "a file" });
    case "Socket":
      return check(info?.isSocket, { path, expected: "a socket file" });
    case "CharDevice":
      return check(info?.isCharDevice, {
        path,
        expected: "a character device",
      });
    case "BlockDevice":
      return check(info?.isBlockDevice, { path, expected: "a block device" });
  }
}

function check(
  isExpected: boolean | null | undefined,
  { path, expected }: { path: string; expected: string },
): void {
  if (isExpected) return;
  throw new AranyaError(
    "invalid",
    `hostPath type check failed: ${path} is not ${expected}`,
  );
}
