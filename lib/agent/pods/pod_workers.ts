// SPDX-License-Identifier: Apache-2.0
/** All pods of one device. */
import {
  type Clock,
  type Logger,
  Scope,
  Sequencer,
  SYSTEM_CLOCK,
} from "../../shared/base/mod.ts";
import {
  type Configure,
  create,
  type PodRejection,
  type PodSpec,
  type PodStatus,
  PodStatusSchema,
} from "../../shared/wire/mod.ts";
import {
  checkPodSwitches,
  findPressureRejection,
} from "../../shared/admission/mod.ts";
import type { PodSwitches } from "../../shared/config/mod.ts";
import type {
  ContainerRuntime,
  DeviceReader,
  ImageCollector,
} from "../runtime/mod.ts";
import type { StateStore } from "../state/mod.ts";
import { createVolumes, type Mounts, type Volumes } from "../volumes/mod.ts";
import type {
  HostAddresses,
  PodRegistry,
  PodReporter,
  WorkerContext,
} from "./context.ts";
import { DiskReclaimer } from "./disk_reclaimer.ts";
import { EngineCache } from "./engine_cache.ts";
import { Evictor } from "./evictor.ts";
import { PodAdoption } from "./pod_adoption.ts";
import { createPodRecord, type PodRecord } from "./pod_record.ts";
import { checkPodNames } from "./pod_names.ts";
import { PodStore } from "./pod_store.ts";
import { PodWorker } from "./pod_worker.ts";

/** Volume contents that a pod needs and the device does not have. */
export interface BlobRequest {
  podUid: string;
  /** Hexadecimal SHA-256 of each content. */
  hashes: readonly string[];
  signal: AbortSignal;
}

/** Options of {@linkcode createPodWorkers}. */
export interface PodWorkersOptions {
  /** The container engine. */
  runtime: ContainerRuntime;
  /** Removes images when space is short. @default none are removed */
  images?: Pick<ImageCollector, "reclaim" | "onImagePulled"> | undefined;
  /** Measures the device, so that pods are evicted under pressure. @default none are */
  reader?: Pick<DeviceReader, "readPressure">;
  /** The state directory; locked by this process. */
  store: StateStore;
  /** Mounts memory for secrets and emptyDirs. */
  mounts: Mounts;
  /** Life-cycle and failures; never content. */
  log: Logger;
  /** @default the machine's */
  clock?: Clock;
  /** The device's own addresses. */
  host: HostAddresses;
  /** What pods may do to the host. @default everything */
  switches?: PodSwitches;
  /**
   * Fetches volume contents from the operator, in the order of the hashes.
   * @throws {AranyaError} code "unavailable" without a link
   */
  fetchBlobs(request: BlobRequest): Promise<Uint8Array[]>;
  /** Receives statuses and events of the pods. */
  reporter: PodReporter;
}

/** The pods of one device. Calls about the same pod take effect in their order. */
export interface PodWorkers extends AsyncDisposable {
  /**
   * Creates a pod or replaces its spec; resolves once that is persisted. A new pod may be rejected
   * while the device is short of memory or disk space; then nothing of it is kept, and why is
   * returned.
   * @throws {AranyaError} code "conflict" when the pod is being removed, "forbidden" when it needs
   * what the device's owner has turned off, "invalid" for names that can't name files,
   * "unavailable" when it would be rejected and the engine can't be asked whether it runs
   */
  apply(spec: PodSpec): Promise<PodRejection | undefined>;
  /**
   * Stops a pod within the shortest grace period of all calls; resolves once that is persisted. Its
   * containers and its record stay until `purge`. Repeats the final status of a terminated pod.
   * @throws {AranyaError} code "not_found" when neither the agent nor the engine knows the pod,
   * "unavailable" when the agent does not and the engine can't be read
   */
  remove(pod: { uid: string; graceSeconds: number }): Promise<void>;
  /** Removes everything of a pod whose object is deleted; resolves once the intent is persisted. */
  purge(uid: string): Promise<void>;
  /** Replaces the settings of the device; resolves once they are persisted. */
  configure(settings: Configure): Promise<void>;
  /**
   * Returns the status of every pod, with the tokens that the device holds. After a start it waits
   * up to 5 s for the first syncs.
   */
  list(): Promise<PodStatus[]>;
  /** Returns the last status of a pod, also one that is not published yet. */
  findStatus(uid: string): PodStatus | undefined;
  /** Returns the spec of a pod that was applied last. */
  findSpec(uid: string): PodSpec | undefined;
  /** Returns the names of the images in the specs of all pods that have not ended. */
  listImages(): string[];
  /** Ends the back-off of failures that may have passed, e.g. since the link is back. */
  retryFailures(): void;
}

const ALL_ALLOWED: PodSwitches = {
  privileged: true,
  hostPath: true,
  hostNamespaces: true,
};
const FIRST_SYNC_TIMEOUT_MS = 5_000;
const FIRST_SYNC_POLL_MS = 100;
/** Upper bound of the status versions that one start of the agent may use. */
const VERSIONS_PER_START = 2n ** 32n;

/**
 * Reads the records in the store and runs their pods, with or without a link to the operator.
 * Records that can't be read or written are logged; the others are used.
 */
export async function createPodWorkers(
  options: PodWorkersOptions,
): Promise<PodWorkers> {
  const podWorkers = new DevicePodWorkers(options);
  await podWorkers.start();
  return podWorkers;
}

class DevicePodWorkers implements PodWorkers, PodRegistry {
  readonly #options: PodWorkersOptions;
  readonly #clock: Clock;
  readonly #scope: Scope;
  readonly #workers = new Map<string, PodWorker>();
  readonly #commands = new Sequencer();
  readonly #store: PodStore;
  readonly #volumes: Volumes;
  readonly #engine: EngineCache;
  readonly #context: WorkerContext;
  readonly #adoption: PodAdoption;
  readonly #evictor: Evictor | undefined;
  #version = 0n;

  constructor(options: PodWorkersOptions) {
    const { runtime, log, clock = SYSTEM_CLOCK, mounts, host, reporter } =
      options;
    this.#options = options;
    this.#clock = clock;
    this.#scope = new Scope({
      onError: (error) =>
        log.error("task of the pod workers failed", { error }),
    });
    this.#store = new PodStore({ store: options.store, clock, log });
    this.#volumes = createVolumes({
      root: `${options.store.dir}/volumes`,
      mounts,
      loadBlobs: ({ podUid, hashes, signal }) =>
        this.#store.loadBlobs({
          hashes,
          fetchMissing: (hashes) =>
            options.fetchBlobs({ podUid, hashes, signal }),
        }),
    });
    this.#engine = new EngineCache({
      runtime,
      clock,
      log,
      onListing: async (pods, { isFirst }) => {
        this.#adoption.onListing(pods, { isFirst });
        if (isFirst) await this.#removeUnusedVolumes();
      },
    });
    this.#adoption = new PodAdoption({
      engine: this.#engine,
      workers: {
        find: (uid) => this.#workers.get(uid),
        start: (record) => this.#startWorker(record, { isNew: false }),
      },
      clock,
      log,
      scope: this.#scope,
    });
    const reclaimer = new DiskReclaimer({
      runtime,
      images: options.images,
      pods: {
        isReleased: (uid) => this.#workers.get(uid)?.isReleased === true,
        listImages: () => this.listImages(),
      },
      log,
      signal: this.#scope.signal,
    });
    this.#evictor = options.reader && new Evictor({
      reader: options.reader,
      runtime,
      volumes: this.#volumes,
      reclaimer,
      listPods: () => [...this.#workers.values()],
      reporter,
      clock,
      log,
    });
    this.#context = {
      runtime,
      reclaimer,
      engine: this.#engine,
      volumes: this.#volumes,
      store: this.#store,
      registry: this,
      reporter,
      host,
      switches: options.switches ?? ALL_ALLOWED,
      clock,
      log,
    };
  }

  async start(): Promise<void> {
    this.#version = await this.#firstVersion();
    await this.#store.loadSettings();
    for (const record of await this.#store.loadRecords()) {
      this.#startWorker(record, { isNew: false });
    }
    this.#scope.run((signal) => this.#engine.listUntilSuccess(signal));
    this.#scope.run(async (signal) => await this.#evictor?.run(signal));
    this.#scope.run((signal) =>
      this.#engine.watch({
        signal,
        onPodChanged: (uid) => this.#onPodChanged(uid),
        onAllChanged: () => {
          this.retryFailures();
          // Also without any pod, to find those that the agent does not know.
          void this.#engine.listPods().catch(() => {});
          this.#options.reporter.onEngineChanged();
        },
      })
    );
  }

  apply(spec: PodSpec): Promise<PodRejection | undefined> {
    return this.#commands.run(spec.uid, async () => {
      checkPodNames(spec);
      checkPodSwitches(spec, this.#context.switches);
      const rejection = await this.#rejectionOf(spec);
      if (rejection) return rejection;
      const worker = this.#workers.get(spec.uid);
      if (worker) await worker.apply(spec);
      else await this.#createPod(spec);
      await this.#collectBlobs();
      return undefined;
    });
  }

  remove(pod: { uid: string; graceSeconds: number }): Promise<void> {
    return this.#commands.run(pod.uid, async () => {
      const worker = this.#workers.get(pod.uid) ??
        await this.#adoption.adoptForRemoval(pod.uid);
      await worker.remove(pod.graceSeconds);
      // The operator may have missed the final status.
      const { status } = worker;
      if (status?.terminated) this.publishStatus(status);
    });
  }

  purge(uid: string): Promise<void> {
    return this.#commands.run(uid, async () => {
      await this.#workers.get(uid)?.purge();
    });
  }

  async configure(settings: Configure): Promise<void> {
    await this.#store.saveSettings(settings);
  }

  async list(): Promise<PodStatus[]> {
    const deadlineMs = this.#clock.monotonicMs() + FIRST_SYNC_TIMEOUT_MS;
    const isIncomplete = () =>
      !this.#engine.hasListed ||
      [...this.#workers.values()].some((worker) => !worker.status);
    while (isIncomplete() && this.#clock.monotonicMs() < deadlineMs) {
      await this.#clock.sleep(FIRST_SYNC_POLL_MS, {
        signal: this.#scope.signal,
      });
    }
    return [...this.#workers.values()].map((worker) => ({
      ...worker.status ?? toUnknownStatus(worker.record),
      tokenFiles: this.#store.listHeldTokenFiles(worker.record.spec),
    }));
  }

  findStatus(uid: string): PodStatus | undefined {
    return this.#workers.get(uid)?.latestStatus;
  }

  findSpec(uid: string): PodSpec | undefined {
    return this.#workers.get(uid)?.record.spec;
  }

  listImages(): string[] {
    const active = [...this.#workers.values()].filter((worker) => {
      const { goal, failure } = worker.record;
      const mayRun = goal === "run" || goal === "unmanaged";
      return mayRun && !failure && !worker.isReleased;
    });
    return active.flatMap(({ record: { spec } }) =>
      [...spec.initContainers, ...spec.containers].map(({ image }) => image)
    );
  }

  retryFailures(): void {
    for (const worker of this.#workers.values()) worker.retryFailures();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.close();
    await Promise.all(
      [...this.#workers.values()].map((worker) =>
        worker[Symbol.asyncDispose]()
      ),
    );
  }

  // ---- PodRegistry -------------------------------------------------------------------------

  mayRun(record: PodRecord): boolean {
    if (record.goal !== "run") return true;
    const { spec: { uid }, firstSeenUnixMs } = record;
    // Kubernetes promises, e.g. to StatefulSets, that no two pods of a name run at the same time.
    return !this.#listNamesakes(record.spec).some(({ record: other }) =>
      other.spec.uid !== uid && other.goal !== "terminated" &&
      (other.goal !== "run" || other.firstSeenUnixMs < firstSeenUnixMs)
    );
  }

  publishStatus(status: PodStatus): void {
    // A purged worker may still end what it was doing.
    if (!this.#workers.has(status.uid)) return;
    status.version = ++this.#version;
    this.#options.reporter.onPodStatus(status);
    if (status.terminated) this.#syncNamesakes(status);
  }

  async dropPod(uid: string): Promise<void> {
    await this.#store.remove(uid);
    const worker = this.#workers.get(uid);
    this.#workers.delete(uid);
    if (worker) {
      this.#syncNamesakes(worker.record.spec);
      // Not awaited: the caller is an action of this worker, which the disposal waits for.
      void worker[Symbol.asyncDispose]();
    }
    await this.#collectBlobs();
  }

  /**
   * Returns why a pod is rejected that the device does not have; undefined for all others. Nothing
   * of a rejected pod is kept: its controller may create the next one at once, and each record
   * would be a write to a disk that may be full.
   * @throws {AranyaError} code "unavailable" when it can't be known whether the device has the pod
   */
  async #rejectionOf(spec: PodSpec): Promise<PodRejection | undefined> {
    if (this.#workers.has(spec.uid)) return undefined;
    const conditions = this.#evictor?.conditions ?? [];
    const rejection = findPressureRejection(spec, conditions);
    if (!rejection) return undefined;
    // It runs although its record was lost.
    const action = `Cannot apply pod "${spec.namespace}/${spec.name}"`;
    const worker = await this.#adoption.adoptIfPresent(spec.uid, { action });
    return worker ? undefined : rejection;
  }

  async #createPod(spec: PodSpec): Promise<void> {
    const record = createPodRecord(spec, {
      firstSeenUnixMs: this.#toFirstSeenUnixMs(spec),
    });
    await this.#store.save(record);
    this.#startWorker(record, { isNew: true });
  }

  #startWorker(
    record: PodRecord,
    { isNew }: { isNew: boolean },
  ): PodWorker {
    const worker = new PodWorker(this.#context, { record, isNew });
    this.#workers.set(record.spec.uid, worker);
    worker.start();
    return worker;
  }

  #listNamesakes(pod: { namespace: string; name: string }): PodWorker[] {
    return [...this.#workers.values()].filter(({ record: { spec } }) =>
      spec.namespace === pod.namespace && spec.name === pod.name
    );
  }

  /**
   * Returns the present time, or a later one when that is before an earlier pod of the same name.
   */
  #toFirstSeenUnixMs(spec: PodSpec): number {
    const earlierUnixMs = this.#listNamesakes(spec).map(({ record }) =>
      record.firstSeenUnixMs + 1
    );
    return Math.max(this.#clock.wallMs(), ...earlierUnixMs);
  }

  /** Syncs the pods of this name: one of them may run now. */
  #syncNamesakes(pod: { namespace: string; name: string }): void {
    for (const worker of this.#listNamesakes(pod)) worker.enqueueSync();
  }

  /**
   * Returns what this start numbers its statuses from. When it can't be counted, the wall clock
   * keeps them above those of an earlier start with the same number.
   */
  async #firstVersion(): Promise<bigint> {
    const { count, isSaved } = await this.#store.countStart();
    const seconds = BigInt(Math.trunc(this.#clock.wallMs() / 1_000));
    const offset = isSaved ? 0n : seconds % VERSIONS_PER_START;
    return count * VERSIONS_PER_START + offset;
  }

  #onPodChanged(uid: string): void {
    const worker = this.#workers.get(uid);
    if (worker) return worker.enqueueSync();
    this.#adoption.onUnknownPodChanged(uid);
  }

  async #removeUnusedVolumes(): Promise<void> {
    const { log } = this.#options;
    // A damaged record may belong to a pod that still needs its volumes.
    if (this.#store.hasDamage) return;
    for (const uid of await this.#volumes.listPods()) {
      if (this.#workers.has(uid)) continue;
      await this.#volumes.remove(uid).catch((error) =>
        log.warn("volumes of a purged pod can't be removed", {
          object: uid,
          error,
        })
      );
    }
  }

  async #collectBlobs(): Promise<void> {
    const workers = [...this.#workers.values()];
    await this.#store.collectBlobs(workers.map(({ record }) => record.spec));
  }
}

/** Returns the status of a pod that has not been synced since the start of the agent. */
function toUnknownStatus({ spec, firstSeenUnixMs }: PodRecord): PodStatus {
  return create(PodStatusSchema, {
    uid: spec.uid,
    namespace: spec.namespace,
    name: spec.name,
    specHash: spec.specHash,
    startedUnixMs: BigInt(firstSeenUnixMs),
  });
}
