// SPDX-License-Identifier: Apache-2.0
/** Removal of unused images from a Docker engine whose disk is nearly full. */
import {
  AranyaError,
  type Clock,
  hasCode,
  type Logger,
  SYSTEM_CLOCK,
} from "../../shared/base/mod.ts";
import {
  type DockerClient,
  type ImageListItem,
  inspectImage,
  listContainers,
  listImages,
  readSystemInfo,
  removeImage,
} from "../docker/mod.ts";
import type { HostMachine } from "../host/mod.ts";
import { INFRA_IMAGE } from "./infra_image.ts";
import { DEVICE_LABEL } from "./labels.ts";

/** The kubelet's imageGCHighThresholdPercent and imageGCLowThresholdPercent. */
const HIGH_USED_SHARE = 0.85;
const LOW_USED_SHARE = 0.8;
/** The kubelet's imageMinimumGCAge: an image that was just pulled has no container yet. */
const MIN_AGE_MS = 2 * 60_000;
const INTERVAL_MS = 5 * 60_000;
const NO_IMAGE_NAME = "<none>";

/** Keeps the disk of images from filling up. */
export interface ImageCollector {
  /**
   * Removes all images that are not used, however much space is left. Returns the number of bytes
   * that they took.
   * @throws {AranyaError} when the engine can't be read
   */
  reclaim(needed: readonly string[], signal: AbortSignal): Promise<number>;
  /** Collects every five minutes until the signal is aborted. Never rejects. */
  run(options: RunImageCollectorOptions): Promise<void>;
}

/** Options of {@linkcode ImageCollector.run}. */
export interface RunImageCollectorOptions {
  /** Returns the names of images that pods of the device need, whether they run or not. */
  listNeeded(): readonly string[];
  signal: AbortSignal;
}

/** Options of {@linkcode DockerImageCollector}. */
export interface DockerImageCollectorOptions {
  client: DockerClient;
  machine: Pick<HostMachine, "readUsage">;
  log: Logger;
  clock?: Clock;
}

/** What is known of an image since the start of the agent. */
interface ImageUse {
  /** A container of a pod used it; only such images are removed. */
  isOurs: boolean;
  firstSeenMs: number;
  /** 0: not in use since the start of the agent. */
  lastUsedMs: number;
}

/** Images of an engine, and the ids of those that have a container. */
interface ImagesState {
  images: ImageListItem[];
  usedIds: Set<string>;
}

/**
 * Removes images as a kubelet does (pkg/kubelet/images/image_gc_manager.go): above 85 % of the file
 * system, those that were not used for the longest time, until 80 % are used. Only images that a
 * pod used since the start of the agent are removed: the engine may serve other programs, whose
 * images are never touched. Images that have a container, of any owner, or that a pod of the device
 * needs, stay: it may be offline and unable to pull them.
 */
export class DockerImageCollector implements ImageCollector {
  readonly #options: DockerImageCollectorOptions;
  readonly #clock: Clock;
  /** By image id. */
  #uses = new Map<string, ImageUse>();

  constructor(options: DockerImageCollectorOptions) {
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
  }

  async run({ listNeeded, signal }: RunImageCollectorOptions): Promise<void> {
    const { log } = this.#options;
    while (!signal.aborted) {
      try {
        await this.collect(listNeeded(), signal);
      } catch (error) {
        if (signal.aborted) return;
        // An engine that is away is a condition of the device.
        const level = hasCode(error, "unavailable") ? "debug" : "warn";
        log[level]("unused images can't be removed, will retry", { error });
      }
      await this.#clock.sleep(INTERVAL_MS, { signal }).catch(() => {});
    }
  }

  /**
   * Removes unused images if the disk is nearly full. Returns the number of bytes that they took.
   * @throws {AranyaError} when engine or disk can't be read
   */
  async collect(
    needed: readonly string[],
    signal: AbortSignal,
  ): Promise<number> {
    const state = await this.#readImages();
    const missingBytes = await this.#readMissingBytes(signal);
    return await this.#removeUnused(state, { needed, missingBytes, signal });
  }

  async reclaim(
    needed: readonly string[],
    signal: AbortSignal,
  ): Promise<number> {
    const state = await this.#readImages();
    const missingBytes = Infinity;
    return await this.#removeUnused(state, { needed, missingBytes, signal });
  }

  /** Reads the images of the engine, and which of them have a container; records that. */
  async #readImages(): Promise<ImagesState> {
    const { client } = this.#options;
    const images = await listImages(client);
    const containers = await listContainers(client, { labels: [] });
    const usedIds = new Set(containers.map(({ ImageID }) => ImageID));
    this.#recordUses(images, {
      usedIds,
      ownIds: new Set(
        containers.filter(({ Labels }) => Labels?.[DEVICE_LABEL] !== undefined)
          .map(({ ImageID }) => ImageID),
      ),
    });
    return { images, usedIds };
  }

  /** Removes images until so many bytes are free. Returns how many they took. */
  async #removeUnused(
    { images, usedIds }: ImagesState,
    { needed, signal, ...options }: {
      needed: readonly string[];
      missingBytes: number;
      signal: AbortSignal;
    },
  ): Promise<number> {
    const { log } = this.#options;
    let { missingBytes } = options;
    if (missingBytes <= 0) return 0;
    for (const name of [INFRA_IMAGE, ...needed]) {
      const id = await this.#findId(name);
      if (id !== undefined) usedIds.add(id);
    }
    let freedBytes = 0;
    let removedCount = 0;
    for (const image of this.#sortByUse(images)) {
      if (missingBytes <= 0) break;
      if (!this.#uses.get(image.Id)?.isOurs) continue;
      if (usedIds.has(image.Id) || this.#isYoung(image)) continue;
      signal.throwIfAborted();
      if (!await this.#remove(image)) continue;
      missingBytes -= image.Size;
      freedBytes += image.Size;
      removedCount++;
    }
    if (removedCount > 0) {
      log.info("unused images removed, the disk is nearly full", {
        count: removedCount,
      });
    }
    return freedBytes;
  }

  #recordUses(
    images: ImageListItem[],
    { usedIds, ownIds }: {
      usedIds: ReadonlySet<string>;
      ownIds: ReadonlySet<string>;
    },
  ): void {
    const nowMs = this.#clock.monotonicMs();
    this.#uses = new Map(images.map(({ Id }) => {
      const known = this.#uses.get(Id);
      return [Id, {
        isOurs: known?.isOurs === true || ownIds.has(Id),
        firstSeenMs: known?.firstSeenMs ?? nowMs,
        lastUsedMs: usedIds.has(Id) ? nowMs : known?.lastUsedMs ?? 0,
      }];
    }));
  }

  /** Returns how many bytes have to be freed; 0 when the disk is not nearly full. */
  async #readMissingBytes(signal: AbortSignal): Promise<number> {
    const { client, machine } = this.#options;
    const { DockerRootDir } = await readSystemInfo(client, signal);
    const { disks: [disk] } = await machine.readUsage([DockerRootDir]);
    if (!disk) return 0;
    const usedBytes = disk.capacityBytes - disk.availableBytes;
    return usedBytes < disk.capacityBytes * HIGH_USED_SHARE
      ? 0
      : usedBytes - disk.capacityBytes * LOW_USED_SHARE;
  }

  async #findId(name: string): Promise<string | undefined> {
    try {
      return (await inspectImage(this.#options.client, name)).Id;
    } catch (error) {
      // "invalid": a name that no image can have.
      if (hasCode(error, "not_found", "invalid")) return undefined;
      throw error;
    }
  }

  /** Returns the images, those that were not used for the longest time first. */
  #sortByUse(images: ImageListItem[]): ImageListItem[] {
    const useOf = ({ Id }: ImageListItem): ImageUse =>
      this.#uses.get(Id) ?? { isOurs: false, firstSeenMs: 0, lastUsedMs: 0 };
    return images.toSorted((left, right) =>
      useOf(left).lastUsedMs - useOf(right).lastUsedMs ||
      useOf(left).firstSeenMs - useOf(right).firstSeenMs ||
      left.Created - right.Created
    );
  }

  #isYoung({ Id }: ImageListItem): boolean {
    const firstSeenMs = this.#uses.get(Id)?.firstSeenMs ?? 0;
    return this.#clock.monotonicMs() - firstSeenMs < MIN_AGE_MS;
  }

  /** Removes all names of an image, and so the image. Returns whether it was removed. */
  async #remove({ Id, RepoTags }: ImageListItem): Promise<boolean> {
    const tags = (RepoTags ?? []).filter((tag) => !tag.includes(NO_IMAGE_NAME));
    try {
      for (const name of tags.length > 0 ? tags : [Id]) {
        await removeImage(this.#options.client, name);
      }
      return true;
    } catch (error) {
      if (!(error instanceof AranyaError)) throw error;
      if (hasCode(error, "unavailable", "timed_out")) throw error;
      // "conflict": a container was created meanwhile, or another image is built on it.
      this.#options.log.debug("image can't be removed", { object: Id, error });
      return false;
    }
  }
}
