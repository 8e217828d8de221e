// SPDX-License-Identifier: Apache-2.0
/** The volumes of one device's pods, as directories on the device. */
import { AranyaError, asAranyaError, defined } from "../../shared/base/mod.ts";
import type {
  Container,
  EmptyDir,
  Files,
  Mount,
  PodSpec,
  Volume,
} from "../../shared/wire/mod.ts";
import type { ContainerRequest } from "../runtime/mod.ts";
import {
  type DirectoryUsage,
  listLimitedVolumes,
  measureDiskUsage,
  toSizeLimitMessage,
} from "./disk_limit.ts";
import { isFilesVolume, writeFilesVolume } from "./files_volume.ts";
import { ensureHostPath } from "./host_path.ts";
import { type Mounts, type TmpfsOptions, unmountBelow } from "./mounts.ts";
import { ignoreNotFound } from "./not_found.ts";
import { mountSubPath, resolveSubPath } from "./sub_path.ts";

/** File contents that a volume needs. */
export interface VolumeBlobsRequest {
  podUid: string;
  /** Hexadecimal SHA-256 of each content. */
  hashes: readonly string[];
  signal: AbortSignal;
}

/** Options of {@linkcode createVolumes}. */
export interface VolumesOptions {
  /** Directory of all pods' volumes; created when absent. */
  root: string;
  mounts: Mounts;
  /**
   * Returns all contents by hash.
   * @throws {AranyaError} code "unavailable" when one has to be fetched and can't be
   */
  loadBlobs(
    request: VolumeBlobsRequest,
  ): Promise<ReadonlyMap<string, Uint8Array>>;
}

/** One instance of a container, whose termination message is kept in a file. */
export interface MessageFile {
  podUid: string;
  /** Name of the container in the pod. */
  container: string;
  /** Restart count of the instance. */
  attempt: number;
}

/** The volumes of one device's pods. All calls may be repeated. */
export interface Volumes {
  /**
   * Creates the pod's volumes, and updates the files of those that exist. A blocked volume that was
   * set up before keeps its files, as with a kubelet: the containers can be restarted. Returns the
   * first blocked volume that was not.
   * @throws {AranyaError} naming the volume that can't be set up
   */
  prepare(spec: PodSpec, signal: AbortSignal): Promise<Volume | undefined>;
  /**
   * Returns the bind mounts of a container. The volumes must have been prepared.
   * @throws {AranyaError} code "invalid" when a volume or a subPath does not exist, or a subPath
   * leads out of its volume
   */
  resolveBinds(
    spec: PodSpec,
    container: Container,
  ): Promise<ContainerRequest["binds"]>;
  /**
   * Returns why the pod must be evicted: an emptyDir on disk exceeds its sizeLimit. Undefined when
   * none does.
   */
  findExceededLimit(
    spec: PodSpec,
    signal: AbortSignal,
  ): Promise<string | undefined>;
  /** Returns what the pod's emptyDirs take on disk. */
  measure(spec: PodSpec, signal: AbortSignal): Promise<DirectoryUsage>;
  /**
   * Creates an empty file that the instance may write its termination message to; returns its path.
   */
  createMessageFile(instance: MessageFile): Promise<string>;
  /** Reads the termination message, of which the last 4096 bytes count; empty without a file. */
  readMessage(instance: MessageFile): Promise<Uint8Array>;
  /** Removes the file of a termination message. */
  removeMessageFile(instance: MessageFile): Promise<void>;
  /** Unmounts and removes all volumes of a pod; keeps its message files. */
  release(podUid: string): Promise<void>;
  /** Unmounts and removes all volumes and message files of a pod. */
  remove(podUid: string): Promise<void>;
  /** Returns the UIDs of the pods that have volumes or message files. */
  listPods(): Promise<string[]>;
}

/** Longest termination message that Kubernetes keeps. */
const MAX_MESSAGE_BYTES = 4_096;
/**
 * Size of a secret volume: while they are swapped it holds two states of what Kubernetes allows in
 * one.
 */
const SECRET_TMPFS_BYTES = 64 * 1024 * 1024;

/** Returns the volumes below a directory. Nothing is created before `prepare`. */
export function createVolumes(options: VolumesOptions): Volumes {
  return new PodVolumes(options);
}

/**
 * ```
 * <root>/<pod UID>/volumes/<volume>                 an emptyDir, or files
 * <root>/<pod UID>/subpaths/<container>-<index>     where the mount of this index has its subPath
 * <root>/<pod UID>/messages/<container>-<attempt>   a termination message
 * ```
 */
class PodVolumes implements Volumes {
  readonly #options: VolumesOptions;

  constructor(options: VolumesOptions) {
    this.#options = options;
  }

  async prepare(
    spec: PodSpec,
    signal: AbortSignal,
  ): Promise<Volume | undefined> {
    // Containers run as any user: they may pass through, but not list.
    await Deno.mkdir(this.#options.root, { recursive: true, mode: 0o711 });
    for (const volume of spec.volumes) {
      signal.throwIfAborted();
      try {
        await this.#prepareVolume(spec, { volume, signal });
      } catch (error) {
        signal.throwIfAborted();
        throw toVolumeError(error, volume.name);
      }
    }
    for (const volume of spec.volumes) {
      const dir = this.#volumeDir(spec.uid, volume.name);
      if (volume.blocked && !await isFilesVolume(dir)) return volume;
    }
    return undefined;
  }

  async resolveBinds(
    spec: PodSpec,
    container: Container,
  ): Promise<ContainerRequest["binds"]> {
    const binds: ContainerRequest["binds"] = [];
    for (const [index, mount] of container.mounts.entries()) {
      const volume = spec.volumes.find(({ name }) => name === mount.volume);
      if (volume === undefined) {
        throw new AranyaError(
          "invalid",
          `Cannot mount volume "${mount.volume}": the pod has no volume of that name`,
        );
      }
      const source = volume.source.case === "hostPath"
        ? volume.source.value.path
        : this.#volumeDir(spec.uid, volume.name);
      // Files of ConfigMaps, Secrets and tokens are always read-only, as on a kubelet. A volume
      // without a source is one of them that is blocked.
      const isFiles = volume.source.case === "files" ||
        volume.source.case === undefined;
      const target = `${
        this.#subPathsDir(spec.uid)
      }/${container.name}-${index}`;
      binds.push({
        source: mount.subPath === ""
          ? source
          : isFiles
          ? await resolveSubPath(source, mount)
          : await this.#mountSubPath(source, { mount, target }),
        target: mount.path,
        readOnly: mount.readOnly || isFiles,
        propagation: mount.propagation,
      });
    }
    return binds;
  }

  async findExceededLimit(
    spec: PodSpec,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    for (const volume of listLimitedVolumes(spec)) {
      const dir = this.#volumeDir(spec.uid, volume.name);
      const { usedBytes } = await measureDiskUsage(dir, signal);
      if (usedBytes > volume.limitBytes) return toSizeLimitMessage(volume);
    }
    return undefined;
  }

  async measure(spec: PodSpec, signal: AbortSignal): Promise<DirectoryUsage> {
    const total = { usedBytes: 0, inodeCount: 0 };
    for (const { name, source } of spec.volumes) {
      if (source.case !== "emptyDir" || source.value.memory) continue;
      const dir = this.#volumeDir(spec.uid, name);
      const { usedBytes, inodeCount } = await measureDiskUsage(dir, signal);
      total.usedBytes += usedBytes;
      total.inodeCount += inodeCount;
    }
    return total;
  }

  async createMessageFile(instance: MessageFile): Promise<string> {
    const path = this.#messagePath(instance);
    await Deno.mkdir(parentOf(path), { recursive: true });
    await Deno.writeFile(path, new Uint8Array());
    // The container may run as any user; writeFile's mode would be cut by the umask.
    await Deno.chmod(path, 0o666);
    return path;
  }

  async readMessage(instance: MessageFile): Promise<Uint8Array> {
    using file = await ignoreNotFound(Deno.open(this.#messagePath(instance)));
    if (!file) return new Uint8Array();
    // As a kubelet (tail.ReadAtMost): of a stack trace, the end matters.
    const { size } = await file.stat();
    await file.seek(Math.max(0, size - MAX_MESSAGE_BYTES), Deno.SeekMode.Start);
    const buffer = new Uint8Array(MAX_MESSAGE_BYTES);
    const readBytes = await file.read(buffer) ?? 0;
    return buffer.subarray(0, readBytes);
  }

  async removeMessageFile(instance: MessageFile): Promise<void> {
    await ignoreNotFound(Deno.remove(this.#messagePath(instance)));
  }

  async release(podUid: string): Promise<void> {
    const podDir = `${this.#options.root}/${podUid}`;
    // Also what a container has mounted inside a volume: its content isn't the pod's.
    await unmountBelow(podDir, this.#options.mounts);
    for (const name of ["subpaths", "volumes"]) {
      await ignoreNotFound(
        Deno.remove(`${podDir}/${name}`, { recursive: true }),
      );
    }
  }

  async remove(podUid: string): Promise<void> {
    await this.release(podUid);
    await ignoreNotFound(
      Deno.remove(`${this.#options.root}/${podUid}`, { recursive: true }),
    );
  }

  listPods(): Promise<string[]> {
    return listNames(this.#options.root);
  }

  async #prepareVolume(
    spec: PodSpec,
    { volume, signal }: { volume: Volume; signal: AbortSignal },
  ): Promise<void> {
    const { source } = volume;
    const dir = this.#volumeDir(spec.uid, volume.name);
    switch (source.case) {
      case "emptyDir":
        return await this.#prepareEmptyDir(spec, { dir, source: source.value });
      case "hostPath":
        return await ensureHostPath(source.value);
      case "files":
        return await this.#prepareFiles(spec, {
          dir,
          source: source.value,
          signal,
        });
      default:
        // A blocked volume has no source, and keeps what it has.
    }
  }

  async #prepareEmptyDir(
    spec: PodSpec,
    { dir, source }: { dir: string; source: EmptyDir },
  ): Promise<void> {
    const gid = groupOf(spec);
    const mode = gid === undefined ? 0o777 : 0o2777;
    if (source.memory) {
      const sizeBytes = Number(source.sizeLimitBytes);
      await ensureDir(dir);
      return await this.#ensureTmpfs(dir, {
        sizeBytes,
        mode,
        ...defined({ gid }),
      });
    }
    // The containers own what is in it, and may have changed its mode.
    if (await ignoreNotFound(Deno.lstat(dir))) return;
    // Renamed when it is complete: a power cut in between must not leave a directory that the
    // containers can't write.
    const asideDir = `${dir}.aside`;
    await ensureDir(asideDir);
    if (gid !== undefined) await Deno.chown(asideDir, null, gid);
    await Deno.chmod(asideDir, mode);
    await Deno.rename(asideDir, dir);
  }

  async #prepareFiles(
    spec: PodSpec,
    { dir, source, signal }: {
      dir: string;
      source: Files;
      signal: AbortSignal;
    },
  ): Promise<void> {
    const blobs = await this.#options.loadBlobs({
      podUid: spec.uid,
      hashes: [...new Set(source.files.map((file) => file.sha256))],
      signal,
    });
    await ensureDir(dir);
    if (source.secret) {
      await this.#ensureTmpfs(dir, { sizeBytes: SECRET_TMPFS_BYTES });
    }
    await Deno.chmod(dir, 0o755);
    await writeFilesVolume({
      dir,
      gid: groupOf(spec),
      files: source.files.map(({ path, sha256, mode, uid }) => ({
        path,
        content: getBlob(blobs, sha256),
        mode,
        uid: uid === undefined ? undefined : Number(uid),
      })),
    });
  }

  /** Mounts a tmpfs unless one is mounted. */
  async #ensureTmpfs(dir: string, options: TmpfsOptions): Promise<void> {
    if (await isMountPoint(dir)) return;
    await this.#options.mounts.mountTmpfs(dir, options);
  }

  /** Returns the path that the subPath is mounted on. */
  async #mountSubPath(
    volumeDir: string,
    { mount, target }: { mount: Mount; target: string },
  ): Promise<string> {
    await Deno.mkdir(parentOf(target), { recursive: true, mode: 0o700 });
    const { mounts } = this.#options;
    await mountSubPath(volumeDir, { mount, target, mounts });
    return target;
  }

  #subPathsDir(podUid: string): string {
    return `${this.#options.root}/${podUid}/subpaths`;
  }

  #volumeDir(podUid: string, volume: string): string {
    return `${this.#options.root}/${podUid}/volumes/${volume}`;
  }

  #messagePath({ podUid, container, attempt }: MessageFile): string {
    return `${this.#options.root}/${podUid}/messages/${container}-${attempt}`;
  }
}

/** Returns an error whose message names the volume. */
function toVolumeError(error: unknown, name: string): AranyaError {
  const action = `Cannot set up volume "${name}"`;
  const known = asAranyaError(error, action);
  return known.message.includes(`"${name}"`)
    ? known
    : new AranyaError(known.code, `${action}: ${known.message}`, {
      cause: error,
    });
}

/** Returns the owning group of the pod's volumes; undefined without an fsGroup. */
function groupOf(spec: PodSpec): number | undefined {
  const gid = spec.security?.fsGroup;
  return gid === undefined ? undefined : Number(gid);
}

function getBlob(
  blobs: ReadonlyMap<string, Uint8Array>,
  hash: string,
): Uint8Array {
  const content = blobs.get(hash);
  if (content === undefined) throw new TypeError(`blob ${hash} was not loaded`);
  return content;
}

/** Creates a directory, and those above it, unless it exists. */
async function ensureDir(path: string): Promise<void> {
  await Deno.mkdir(path, { recursive: true });
}

/** Returns whether the directory is on another file system than its parent. */
async function isMountPoint(path: string): Promise<boolean> {
  const [own, parent] = await Promise.all([
    Deno.lstat(path),
    Deno.lstat(`${path}/..`),
  ]);
  return own.dev !== parent.dev;
}

/** Returns the names in a directory; none when it does not exist. */
async function listNames(dir: string): Promise<string[]> {
  const entries = await ignoreNotFound(Array.fromAsync(Deno.readDir(dir)));
  return (entries ?? []).map(({ name }) => name);
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
