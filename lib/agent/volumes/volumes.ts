// SPDX-License-Identifier: Apache-2.0
/** A pod's volumes as folders on the device, and how its containers see them. */
import { AranyaError, asAranyaError } from "../../shared/base/mod.ts";
import type { ContainerRequest } from "../runtime/mod.ts";
import type {
  Container,
  EmptyDir,
  Files,
  HostPath,
  Mount,
  PodSpec,
  Volume,
} from "../../shared/wire/mod.ts";
import { diskUsage, evictionMessage, limitedVolumes } from "./disk_limit.ts";
import { writeFilesVolume } from "./files_volume.ts";

/** Memory file systems; who makes them is told from outside, since it needs a program. */
export interface Mounts {
  /** Mounts a tmpfs on this empty folder. `sizeBytes` 0: half of the memory. @throws {AranyaError} when it can't */
  mountTmpfs(path: string, options: { sizeBytes: number }): Promise<void>;
  /** Unmounts it. @throws {AranyaError} when it can't */
  unmount(path: string): Promise<void>;
}

/** Options of {@linkcode createVolumes}. */
export interface VolumesOptions {
  /** Folder for all pods' volumes. */
  root: string;
  mounts: Mounts;
  /** Content by hash, fetched from the operator where it isn't held. @throws {AranyaError} when it can't be had now */
  loadBlobs(
    request: { podUid: string; hashes: readonly string[]; signal: AbortSignal },
  ): Promise<ReadonlyMap<string, Uint8Array>>;
}

/** See {@linkcode createVolumes}. All calls may be repeated. */
export interface Volumes {
  /** Has the pod's volumes there, with their present content. @throws {AranyaError} naming the volume */
  prepare(spec: PodSpec, signal: AbortSignal): Promise<void>;
  /** What one container mounts. @throws {AranyaError} code "invalid" for a sub-path that isn't there or leaves its volume */
  binds(
    spec: PodSpec,
    container: Container,
  ): Promise<ContainerRequest["binds"]>;
  /** Why the pod has to go: an emptyDir on disk holds more than its sizeLimit. */
  overfull(spec: PodSpec, signal: AbortSignal): Promise<string | undefined>;
  /** A fresh file for the termination message of one instance. */
  createMessageFile(instance: MessageFile): Promise<string>;
  /** What the instance has written there, at most 4096 bytes. */
  readMessage(instance: MessageFile): Promise<Uint8Array>;
  /** Removes the instance's termination message file; may be called again. */
  removeMessageFile(instance: MessageFile): Promise<void>;
  /** Unmounts and removes everything of the pod. */
  remove(podUid: string): Promise<void>;
  /** Pods that have a folder here. */
  list(): Promise<string[]>;
}

/** Whose termination message. */
export interface MessageFile {
  podUid: string;
  container: string;
  attempt: number;
}

const MAX_MESSAGE_BYTES = 4_096;
/** Upper limit of a secret volume: two states of what Kubernetes allows in one, while they are swapped. */
const SECRET_TMPFS_BYTES = 64 * 1024 * 1024;

/** Makes the volumes of one device's pods. */
export function createVolumes(options: VolumesOptions): Volumes {
  return new PodVolumes(options);
}

class PodVolumes implements Volumes {
  readonly #options: VolumesOptions;

  constructor(options: VolumesOptions) {
    this.#options = options;
  }

  async prepare(spec: PodSpec, signal: AbortSignal): Promise<void> {
    await Deno.mkdir(this.#options.root, { recursive: true, mode: 0o711 });
    for (const volume of spec.volumes) {
      signal.throwIfAborted();
      try {
        await this.#prepareOne(spec, { volume, signal });
      } catch (error) {
        signal.throwIfAborted();
        const known = asAranyaError(
          error,
          `Cannot set up volume "${volume.name}"`,
        );
        throw known.message.includes(`"${volume.name}"`)
          ? known
          : new AranyaError(
            known.code,
            `Cannot set up volume "${volume.name}": ${known.message}`,
            { cause: error },
          );
      }
    }
  }

  #prepareOne(
    spec: PodSpec,
    { volume, signal }: { volume: Volume; signal: AbortSignal },
  ): Promise<void> {
    switch (volume.source.case) {
      case "emptyDir":
        return this.#emptyDir(spec, { volume, source: volume.source.value });
      case "hostPath":
        return checkHostPath(volume.source.value);
      case "files":
        return this.#files(spec, {
          volume,
          source: volume.source.value,
          signal,
        });
      default:
        // A blocked volume has no source; the planner waits for it.
        return Promise.resolve();
    }
  }

  async #emptyDir(
    spec: PodSpec,
    { volume, source }: { volume: Volume; source: EmptyDir },
  ): Promise<void> {
    const dir = this.#dirOf(spec.uid, volume.name);
    const isNew = await makeDir(dir);
    if (source.memory) {
      const sizeBytes = Number(source.sizeLimitBytes);
      const mounted = await this.#ensureTmpfs(dir, sizeBytes);
      if (!mounted && !isNew) return;
    } else if (!isNew) return;
    const gid = groupOf(spec);
    if (gid !== undefined) await Deno.chown(dir, null, gid);
    await Deno.chmod(dir, gid === undefined ? 0o777 : 0o2777);
  }

  async #files(
    spec: PodSpec,
    options: { volume: Volume; source: Files; signal: AbortSignal },
  ): Promise<void> {
    const { volume, source, signal } = options;
    const blobs = await this.#options.loadBlobs({
      podUid: spec.uid,
      hashes: [...new Set(source.files.map((file) => file.sha256))],
      signal,
    });
    const dir = this.#dirOf(spec.uid, volume.name);
    await makeDir(dir);
    if (source.secret) await this.#ensureTmpfs(dir, SECRET_TMPFS_BYTES);
    await Deno.chmod(dir, 0o755);
    await writeFilesVolume({
      dir,
      gid: groupOf(spec),
      files: source.files.map((file) => ({
        path: file.path,
        content: mustHave(blobs, file.sha256),
        mode: file.mode,
        uid: file.uid === undefined ? undefined : Number(file.uid),
      })),
    });
  }

  /** Gives whether it was mounted now. */
  async #ensureTmpfs(dir: string, sizeBytes: number): Promise<boolean> {
    if (await isMountPoint(dir)) return false;
    await this.#options.mounts.mountTmpfs(dir, { sizeBytes });
    return true;
  }

  async binds(
    spec: PodSpec,
    container: Container,
  ): Promise<ContainerRequest["binds"]> {
    const binds: ContainerRequest["binds"] = [];
    for (const mount of container.mounts) {
      const volume = spec.volumes.find(({ name }) => name === mount.volume);
      if (volume === undefined) {
        throw new AranyaError(
          "invalid",
          `Cannot mount volume "${mount.volume}": the pod has none of that name`,
        );
      }
      const source = volume.source.case === "hostPath"
        ? volume.source.value.path
        : this.#dirOf(spec.uid, volume.name);
      const isFiles = volume.source.case === "files";
      binds.push({
        source: mount.subPath === ""
          ? source
          : await resolveSubPath(source, { mount, mayCreate: !isFiles }),
        target: mount.path,
        readOnly: mount.readOnly || isFiles,
        propagation: mount.propagation,
      });
    }
    return binds;
  }

  async overfull(
    spec: PodSpec,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    for (const volume of limitedVolumes(spec)) {
      const dir = this.#dirOf(spec.uid, volume.name);
      if (await diskUsage(dir, signal) > volume.limitBytes) {
        return evictionMessage(volume);
      }
    }
    return undefined;
  }

  async createMessageFile(instance: MessageFile): Promise<string> {
    const path = this.#messagePath(instance);
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    await Deno.writeFile(path, new Uint8Array());
    await Deno.chmod(path, 0o666);
    return path;
  }

  async readMessage(instance: MessageFile): Promise<Uint8Array> {
    try {
      using file = await Deno.open(this.#messagePath(instance));
      const buffer = new Uint8Array(MAX_MESSAGE_BYTES);
      const count = await file.read(buffer) ?? 0;
      return buffer.subarray(0, count);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return new Uint8Array();
      throw error;
    }
  }

  async removeMessageFile(instance: MessageFile): Promise<void> {
    await Deno.remove(this.#messagePath(instance)).catch(ignoreAbsent);
  }

  async remove(podUid: string): Promise<void> {
    const dir = `${this.#options.root}/${podUid}`;
    for (const name of await namesIn(`${dir}/volumes`)) {
      const path = `${dir}/volumes/${name}`;
      if (await isMountPoint(path)) await this.#options.mounts.unmount(path);
    }
    await Deno.remove(dir, { recursive: true }).catch(ignoreAbsent);
  }

  list(): Promise<string[]> {
    return namesIn(this.#options.root);
  }

  #dirOf(podUid: string, volume: string): string {
    return `${this.#options.root}/${podUid}/volumes/${volume}`;
  }

  #messagePath({ podUid, container, attempt }: MessageFile): string {
    return `${this.#options.root}/${podUid}/messages/${container}-${attempt}`;
  }
}

function groupOf(spec: PodSpec): number | undefined {
  const gid = spec.security?.fsGroup;
  return gid === undefined ? undefined : Number(gid);
}

function mustHave(
  blobs: ReadonlyMap<string, Uint8Array>,
  hash: string,
): Uint8Array {
  const content = blobs.get(hash);
  if (content === undefined) throw new TypeError(`blob ${hash} was not loaded`);
  return content;
}

/** Gives whether it was made now. */
async function makeDir(path: string): Promise<boolean> {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  try {
    await Deno.mkdir(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  }
}

/** Whether another file system begins at this folder. */
async function isMountPoint(path: string): Promise<boolean> {
  const [here, above] = await Promise.all([
    Deno.lstat(path),
    Deno.lstat(`${path}/..`),
  ]);
  return here.dev !== above.dev;
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function ignoreAbsent(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

/** Types of the API's HostPathType; what may be made is made as a kubelet does: folders 0755, files 0644. */
async function checkHostPath({ path, type }: HostPath): Promise<void> {
  const found = await Deno.stat(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
  const fail = (state: string): never => {
    throw new AranyaError(
      "invalid",
      `hostPath type check failed: ${path} is ${state}`,
    );
  };
  switch (type) {
    case "DirectoryOrCreate":
      if (!found) {
        return await Deno.mkdir(path, { recursive: true, mode: 0o755 });
      }
      return found.isDirectory ? undefined : fail("not a directory");
    case "FileOrCreate":
      if (!found) {
        return await Deno.writeFile(path, new Uint8Array(), { mode: 0o644 });
      }
      return found.isFile ? undefined : fail("not a file");
    case "Directory":
      return found?.isDirectory ? undefined : fail("not a directory");
    case "File":
      return found?.isFile ? undefined : fail("not a file");
    case "Socket":
      return found?.isSocket ? undefined : fail("not a socket file");
    case "CharDevice":
      return found?.isCharDevice ? undefined : fail("not a character device");
    case "BlockDevice":
      return found?.isBlockDevice ? undefined : fail("not a block device");
  }
}

/** The real path of a volume's part. It may not lead out of the volume, over links neither. */
async function resolveSubPath(
  source: string,
  { mount, mayCreate }: { mount: Mount; mayCreate: boolean },
): Promise<string> {
  const action =
    `Cannot mount sub-path "${mount.subPath}" of volume "${mount.volume}"`;
  if (
    mount.subPath.split("/").includes("..") || mount.subPath.startsWith("/")
  ) {
    throw new AranyaError("invalid", `${action}: it leaves the volume`);
  }
  const root = await Deno.realPath(source);
  const path = `${source}/${mount.subPath}`;
  if (mayCreate) {
    await Deno.lstat(path).catch(async (error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      await Deno.mkdir(path, { recursive: true, mode: 0o750 });
      await Deno.chmod(path, (await Deno.stat(source)).mode ?? 0o755);
    });
  }
  const real = await Deno.realPath(path).catch((error) => {
    throw new AranyaError("invalid", `${action}: it is not there`, {
      cause: error,
    });
  });
  if (real !== root && !real.startsWith(`${root}/`)) {
    throw new AranyaError("invalid", `${action}: it leaves the volume`);
  }
  return real;
}
