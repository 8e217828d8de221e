// SPDX-License-Identifier: Apache-2.0
/** Resolution of a volume mount's subPath. */
import { AranyaError } from "../../shared/base/mod.ts";
import type { Mount } from "../../shared/wire/mod.ts";
import { ignoreNotFound } from "./not_found.ts";

/** Options of {@linkcode resolveSubPath}. */
export interface ResolveSubPathOptions {
  /** The mount with a subPath. */
  mount: Mount;
  /** Whether an absent path is created, as a directory with the mode of the volume's root. */
  mayCreate: boolean;
}

/**
 * Returns the real path of a mount's subPath below `volumeDir`, with all symbolic links resolved.
 * @throws {AranyaError} code "invalid" when it does not exist, or leads out of the volume, be it by
 * a symbolic link
 */
export async function resolveSubPath(
  volumeDir: string,
  { mount, mayCreate }: ResolveSubPathOptions,
): Promise<string> {
  const { subPath, volume } = mount;
  const action = `Cannot mount subPath "${subPath}" of volume "${volume}"`;
  const outside = () =>
    new AranyaError("invalid", `${action}: the path leads out of the volume`);
  if (subPath.split("/").includes("..") || subPath.startsWith("/")) {
    throw outside();
  }
  const rootPath = await Deno.realPath(volumeDir);
  const path = `${volumeDir}/${subPath}`;
  if (mayCreate && await ignoreNotFound(Deno.lstat(path)) === undefined) {
    await Deno.mkdir(path, { recursive: true, mode: 0o750 });
    await Deno.chmod(path, (await Deno.stat(volumeDir)).mode ?? 0o755);
  }
  const realPath = await Deno.realPath(path).catch((error) => {
    throw new AranyaError("invalid", `${action}: the path does not exist`, {
      cause: error,
    });
  });
  if (realPath !== rootPath && !realPath.startsWith(`${rootPath}/`)) {
    throw outside();
  }
  return realPath;
}
