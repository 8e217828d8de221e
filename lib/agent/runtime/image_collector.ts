// SPDX-License-Identifier: Apache-2.0
/** Removal of unused images from a Docker engine whose disk is nearly full. */
import {
  AranyaError,
  type Clock,
  hasCode,
  type Logger,
  Sequencer,
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
   * Reads which images pods have used before this start, and persists changes from now on. Call it
   * before anything else. Never rejects: without that record only images seen from now on are
   * removed.
   */
  restore(record: OwnImagesRecord): Promise<void>;
  /**
   * Records that an image was pulled for a pod; resolves once that is persisted, or can't be. Never
   * rejects.
   */
  onImagePulled(imageId: string): Promise<void>;
  /**
   * Removes all images that are not used, however much space is left. Returns the number of bytes
   * that they took.
   * @throws {AranyaError} when the engine can't be read
   */
  reclaim(needed: readonly string[], signal: AbortSignal): Promise<number>;
  /** Collects every five minutes until the signal is aborted. Never rejects. */
  run(options: RunImageCollectorOptions): Promise<void>;
}

/** The durable list of images that pods have used. */
export interface OwnImagesRecord {
  /** Returns the ids that were saved last. @throws {AranyaError} when they can't be read */
  load(): Promise<readonly string[]>;
  /** Replaces the ids. @throws {AranyaError} when they can't be written */
  save(ids: readonly string[]): Promise<void>;
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

/** What is known of an image. */
interface ImageUse {
  /** A pod used or needed it, in this start or an earlier one; only such images are removed. */
  isOurs: boolean;
  /** -Infinity: it exists since before the start of the agent. */
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
 * pod has used or needed are removed: the engine may serve other programs, whose images are never
 * touched. Their ids are persisted, to find them after a restart of the agent. Images that have a
 * container, of any owner, or that a pod of the device needs, stay: it may be offline and unable to
 * pull them.
 */
export class DockerImageCollector implements ImageCollector {
  readonly #options: DockerImageCollectorOptions;
  readonly #clock: Clock;
  /** By image id. */
  #uses: Map<string, ImageUse> | undefined;
  #record: OwnImagesRecord | undefined;
  /** Sorted ids in the record, joined. */
  #recorded = "";
  /** Ids in the record at the start. */
  #restoredIds: ReadonlySet<string> = new Set();
  /** Ids of images that were pulled for pods since the last listing. */
  readonly #pulledIds = new Set<string>();
  /** Saves one after the other: a later one has more. */
  readonly #saves = new Sequencer();

  constructor(options: DockerImageCollectorOptions) {
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
  }

  async restore(record: OwnImagesRecord): Promise<void> {
    this.#record = record;
    try {
      const ids = await record.load();
      this.#restoredIds = new Set(ids);
      this.#recorded = joinIds(ids);
    } catch (error) {
      this.#options.log.warn("list of pods' images can't be read", { error });
    }
  }

  async onImagePulled(imageId: string): Promise<void> {
    this.#pulledIds.add(imageId);
    await this.#saveOwnIds();
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
    const state = await this.#readImages(needed);
    const missingBytes = await this.#readMissingBytes(signal);
    return await this.#removeUnused(state, { missingBytes, signal });
  }

  async reclaim(
    needed: readonly string[],
    signal: AbortSignal,
  ): Promise<number> {
    const state = await this.#readImages(needed);
    return await this.#removeUnused(state, { missingBytes: Infinity, signal });
  }

  /**
   * Reads the images of the engine, and which of them have a container or are needed; records that.
   */
  async #readImages(needed: readonly string[]): Promise<ImagesState> {
    const { client } = this.#options;
    const images = await listImages(client);
    const containers = await listContainers(client, { labels: [] });
    const ownIds = new Set(
      containers.filter(({ Labels }) => Labels?.[DEVICE_LABEL] !== undefined)
        .map(({ ImageID }) => ImageID),
    );
    for (const name of new Set(needed)) {
      const id = await this.#findId(name);
      if (id !== undefined) ownIds.add(id);
    }
    const usedIds = new Set([
      ...ownIds,
      ...containers.map(({ ImageID }) => ImageID),
    ]);
    this.#recordUses(images, { usedIds, ownIds });
    await this.#saveOwnIds();
    const infraId = await this.#findId(INFRA_IMAGE);
    if (infraId !== undefined) usedIds.add(infraId);
    return { images, usedIds };
  }

  /** Removes images until so many bytes are free. Returns how many they took. */
  async #removeUnused(
    { images, usedIds }: ImagesState,
    { signal, ...options }: { missingBytes: number; signal: AbortSignal },
  ): Promise<number> {
    const { log } = this.#options;
    let { missingBytes } = options;
    let freedBytes = 0;
    let removedCount = 0;
    for (const image of this.#sortByUse(images)) {
      if (missingBytes <= 0) break;
      if (!this.#uses?.get(image.Id)?.isOurs) continue;
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
    const previous = this.#uses;
    // As with a kubelet, the images of the first reading were not pulled a moment ago.
    const newSeenMs = previous ? nowMs : -Infinity;
    this.#uses = new Map(images.map(({ Id }) => {
      const known = previous?.get(Id);
      return [Id, {
        isOurs: known?.isOurs === true || ownIds.has(Id) ||
          this.#restoredIds.has(Id) || this.#pulledIds.has(Id),
        firstSeenMs: known?.firstSeenMs ?? newSeenMs,
        lastUsedMs: usedIds.has(Id) ? nowMs : known?.lastUsedMs ?? 0,
      }];
    }));
    for (const { Id } of images) this.#pulledIds.delete(Id);
  }

  /** Persists the ids of pods' images when they have changed. A failure is repeated later. */
  async #saveOwnIds(): Promise<void> {
    await this.#saves.run("", () => this.#saveChangedIds());
  }

  async #saveChangedIds(): Promise<void> {
    const listedIds = this.#uses
      ? [...this.#uses].filter(([, { isOurs }]) => isOurs).map(([id]) => id)
      : this.#restoredIds;
    const ids = [...new Set([...listedIds, ...this.#pulledIds])];
    const joined = joinIds(ids);
    if (!this.#record || joined === this.#recorded) return;
    try {
      await this.#record.save(ids.toSorted());
      this.#recorded = joined;
    } catch (error) {
      this.#options.log.debug("list of pods' images can't be written", {
        error,
      });
    }
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
      this.#uses?.get(Id) ?? { isOurs: false, firstSeenMs: 0, lastUsedMs: 0 };
    return images.toSorted((left, right) =>
      useOf(left).lastUsedMs - useOf(right).lastUsedMs ||
      useOf(left).firstSeenMs - useOf(right).firstSeenMs ||
      left.Created - right.Created
    );
  }

  #isYoung({ Id }: ImageListItem): boolean {
    const firstSeenMs = this.#uses?.get(Id)?.firstSeenMs ?? 0;
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

/** Returns a text that is equal for equal sets of ids. */
function joinIds(ids: readonly string[]): string {
  return ids.toSorted().join();
}
