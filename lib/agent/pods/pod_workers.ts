// SPDX-License-Identifier: Apache-2.0
/** All pods of one device: one worker each, what they share, and what the agent says to them. */
import {
  AranyaError,
  type Clock,
  type Logger,
  Scope,
  SYSTEM_CLOCK,
} from "../../shared/base/mod.ts";
import type { ContainerRuntime, RuntimePod } from "../runtime/mod.ts";
import { loadBlobs, type StateStore } from "../state/mod.ts";
import {
  type Configure,
  ConfigureSchema,
  create,
  decodeMessage,
  encodeMessage,
  type PodSpec,
  PodSpecSchema,
  type PodStatus,
  PodStatusSchema,
} from "../../shared/wire/mod.ts";
import { EngineView, toBareSpec } from "./engine_cache.ts";
import {
  createRecord,
  decodeRecord,
  encodeRecord,
  type PodRecord,
} from "./record.ts";
import { createVolumes, type Mounts, type Volumes } from "../volumes/mod.ts";
import type {
  HostAddresses,
  PodReporter,
  WorkerSurroundings,
} from "./context.ts";
import { PodWorker } from "./pod_worker.ts";

/** Options of {@linkcode createPodWorkers}. */
export interface PodWorkersOptions {
  /** The engine. */
  runtime: ContainerRuntime;
  /** What the device keeps; held by this process. */
  store: StateStore;
  /** Memory for secrets and emptyDirs. */
  mounts: Mounts;
  /** Life-cycle and failures; never content. */
  log: Logger;
  /** Time. @default the machine's */
  clock?: Clock;
  /** The device's own addresses. */
  host: HostAddresses;
  /** Contents by hash in the order asked for, from the operator. @throws {AranyaError} when it can't be had now */
  fetchBlobs(
    request: { podUid: string; hashes: readonly string[]; signal: AbortSignal },
  ): Promise<Uint8Array[]>;
  /** Receives statuses and events of the pods. */
  reporter: PodReporter;
}

/** See {@linkcode createPodWorkers}. Calls about one pod take effect in their order. */
export interface PodWorkers extends AsyncDisposable {
  /** Has this pod run as the spec says. Resolves when that is kept durably. @throws {AranyaError} "conflict" when it is being removed */
  apply(spec: PodSpec): Promise<void>;
  /** Has the pod end; also one that is unknown here. Resolves when that is kept durably. */
  remove(pod: { uid: string; graceSeconds: number }): Promise<void>;
  /** The object is gone: drops tombstone, containers and volumes. */
  purge(uid: string): Promise<void>;
  /** Device-wide wishes; kept. */
  configure(settings: Configure): Promise<void>;
  /** Everything that is or was here. Waits a little for a first look after a start. */
  list(): Promise<PodStatus[]>;
  /** The last status of one pod. */
  findStatus(uid: string): PodStatus | undefined;
  /** The spec of one pod. */
  findSpec(uid: string): PodSpec | undefined;
  /** What failed for a passing reason is tried again at once, e.g. since the link is back. */
  retryFailures(): void;
}

const FIRST_LOOK_TIMEOUT_MS = 5_000;
const FIRST_LOOK_INTERVAL_MS = 100;
const CONFIGURE = { kind: "setting", key: "configure" } as const;
const EPOCH = { kind: "setting", key: "epoch" } as const;
/** Versions of one start of the agent are counted below this. */
const VERSIONS_PER_START = 2n ** 32n;

/** Takes up what the store holds and goes on from there, with or without a link. */
export async function createPodWorkers(
  options: PodWorkersOptions,
): Promise<PodWorkers> {
  const podWorkers = new DevicePodWorkers(options);
  await podWorkers.load();
  return podWorkers;
}

class DevicePodWorkers implements PodWorkers {
  readonly #options: PodWorkersOptions;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #scope: Scope;
  readonly #workers = new Map<string, PodWorker>();
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #volumes: Volumes;
  readonly #around: WorkerSurroundings;
  readonly #engine: EngineView;
  #settings: Configure = create(ConfigureSchema);
  #version = 0n;

  constructor(options: PodWorkersOptions) {
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#log = options.log;
    this.#scope = new Scope({
      onError: (error) => this.#log.error("pod watch has ended", { error }),
    });
    this.#volumes = createVolumes({
      root: `${options.store.dir}/volumes`,
      mounts: options.mounts,
      loadBlobs: ({ podUid, hashes, signal }) =>
        loadBlobs(options.store, {
          hashes,
          fetch: (hashes) => options.fetchBlobs({ podUid, hashes, signal }),
        }),
    });
    this.#engine = new EngineView({
      runtime: options.runtime,
      clock: this.#clock,
      log: this.#log,
      onFirstSight: (pods) => this.#firstSight(pods),
    });
    this.#around = this.#surroundings();
  }

  async load(): Promise<void> {
    const { store } = this.#options;
    await this.#countStart();
    const settings = await store.read(CONFIGURE);
    if (settings) this.#settings = decodeMessage(ConfigureSchema, settings);
    for (const key of store.keys("pod")) {
      const bytes = await store.read({ kind: "pod", key });
      if (!bytes) continue;
      try {
        this.#add(decodeRecord(bytes), { isNew: false });
      } catch (error) {
        // Its containers are left alone until the operator says what shall be.
        this.#log.error("pod record can't be used", { object: key, error });
      }
    }
    this.#scope.run((signal) => this.#engine.firstLook(signal));
    this.#scope.run((signal) =>
      this.#engine.watch({
        signal,
        onChange: (uid) => this.#workers.get(uid)?.wake(),
        onLost: () => {
          this.retryFailures();
          this.#options.reporter.onEngineChanged();
        },
      })
    );
  }

  /** Versions must rise over restarts, on devices without a clock too: one small write a start. */
  async #countStart(): Promise<void> {
    const { store } = this.#options;
    const bytes = await store.read(EPOCH);
    const epoch = bytes?.length === 8
      ? new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0)
      : 0n;
    const next = new Uint8Array(8);
    new DataView(next.buffer).setBigUint64(0, epoch + 1n);
    await store.write(EPOCH, next);
    this.#version = (epoch + 1n) * VERSIONS_PER_START;
  }

  apply(spec: PodSpec): Promise<void> {
    return this.#inTurn(spec.uid, async () => {
      const worker = this.#workers.get(spec.uid);
      if (worker) await worker.apply(spec);
      else {
        const record = createRecord(spec, {
          firstSeenUnixMs: this.#clock.wallMs(),
        });
        await this.#around.keep(record);
        this.#add(record, { isNew: true });
      }
      await this.#collectBlobs();
    });
  }

  remove(pod: { uid: string; graceSeconds: number }): Promise<void> {
    return this.#inTurn(pod.uid, async () => {
      const worker = this.#workers.get(pod.uid);
      if (worker) {
        await worker.remove(pod.graceSeconds);
        // What is gone already is said again: the operator may have missed it.
        if (worker.status?.terminated) this.#publish(worker.status);
        return;
      }
      if (this.#engine.seen) {
        throw new AranyaError(
          "not_found",
          `Cannot remove pod ${pod.uid}: the device does not have it`,
        );
      }
      // Its containers may be there all the same: the engine has not been seen yet.
      const record = createRecord(
        create(PodSpecSchema, { uid: pod.uid }),
        { firstSeenUnixMs: this.#clock.wallMs(), goal: "remove" },
      );
      record.graceSeconds = pod.graceSeconds;
      await this.#around.keep(record);
      this.#add(record, { isNew: true });
    });
  }

  purge(uid: string): Promise<void> {
    return this.#inTurn(uid, async () => {
      await this.#workers.get(uid)?.forget();
    });
  }

  async configure(settings: Configure): Promise<void> {
    await this.#options.store.write(
      CONFIGURE,
      encodeMessage(ConfigureSchema, settings),
    );
    this.#settings = settings;
  }

  async list(): Promise<PodStatus[]> {
    const deadlineMs = this.#clock.monotonicMs() + FIRST_LOOK_TIMEOUT_MS;
    const missing = () =>
      !this.#engine.seen ||
      [...this.#workers.values()].some((worker) => !worker.status);
    while (missing() && this.#clock.monotonicMs() < deadlineMs) {
      await this.#clock.sleep(FIRST_LOOK_INTERVAL_MS, {
        signal: this.#scope.signal,
      });
    }
    return [...this.#workers.values()].map((worker) =>
      worker.status ?? create(PodStatusSchema, {
        uid: worker.record.spec.uid,
        namespace: worker.record.spec.namespace,
        name: worker.record.spec.name,
        specHash: worker.record.spec.specHash,
        startedUnixMs: BigInt(worker.record.firstSeenUnixMs),
      })
    );
  }

  findStatus(uid: string): PodStatus | undefined {
    return this.#workers.get(uid)?.status;
  }

  findSpec(uid: string): PodSpec | undefined {
    return this.#workers.get(uid)?.record.spec;
  }

  retryFailures(): void {
    for (const worker of this.#workers.values()) worker.retry();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.close();
    await Promise.all(
      [...this.#workers.values()].map((worker) =>
        worker[Symbol.asyncDispose]()
      ),
    );
  }

  #add(record: PodRecord, { isNew }: { isNew: boolean }): void {
    const worker = new PodWorker(this.#around, { record, isNew });
    this.#workers.set(record.spec.uid, worker);
    worker.wake();
  }

  #surroundings(): WorkerSurroundings {
    const { runtime, store, reporter, host } = this.#options;
    return {
      runtime,
      volumes: this.#volumes,
      clock: this.#clock,
      log: this.#log,
      observe: async (uid) => (await this.#engine.list()).get(uid),
      keep: (record) =>
        store.write(
          { kind: "pod", key: record.spec.uid },
          encodeRecord(record),
        ),
      drop: (uid) => this.#drop(uid),
      mayRun: (record) => this.#mayRun(record),
      onStatus: (status) => this.#publish(status),
      onEvent: (event) => reporter.onPodEvent(event),
      settings: () => ({
        podCidr: this.#settings.podCidr,
        dns: this.#settings.dns,
      }),
      hostIps: () => host.addresses,
    };
  }

  #publish(status: PodStatus): void {
    // A worker that was forgotten may still finish what it was about.
    if (!this.#workers.has(status.uid)) return;
    status.version = ++this.#version;
    this.#options.reporter.onPodStatus(status);
    if (status.terminated) this.#wakeNamesakes(status);
  }

  async #drop(uid: string): Promise<void> {
    await this.#options.store.remove({ kind: "pod", key: uid });
    const worker = this.#workers.get(uid);
    this.#workers.delete(uid);
    if (worker) {
      this.#wakeNamesakes(worker.record.spec);
      // Not awaited: the worker's own action is what runs here.
      void worker[Symbol.asyncDispose]();
    }
    await this.#collectBlobs();
  }

  #wakeNamesakes(pod: { namespace: string; name: string }): void {
    for (const { record } of this.#workers.values()) {
      const { spec } = record;
      if (spec.namespace === pod.namespace && spec.name === pod.name) {
        this.#workers.get(spec.uid)?.wake();
      }
    }
  }

  #mayRun(record: PodRecord): boolean {
    if (record.goal !== "run") return true;
    const { uid, namespace, name } = record.spec;
    return ![...this.#workers.values()].some(({ record: other }) =>
      other.spec.uid !== uid && other.spec.name === name &&
      other.spec.namespace === namespace && other.goal !== "gone" &&
      (other.goal !== "run" || other.firstSeenUnixMs < record.firstSeenUnixMs)
    );
  }

  /** Pods of ours that no record knows (it was damaged, or lost) are shown to the operator and else left alone. */
  async #firstSight(pods: RuntimePod[]): Promise<void> {
    for (const pod of pods) {
      if (this.#workers.has(pod.uid)) continue;
      this.#log.warn("pod runs here that no record knows", {
        pod: `${pod.namespace}/${pod.name}`,
      });
      this.#add(
        createRecord(toBareSpec(pod), {
          firstSeenUnixMs: this.#clock.wallMs(),
          goal: "leave",
        }),
        { isNew: false },
      );
    }
    if (this.#options.store.damaged.length > 0) return;
    for (const uid of await this.#volumes.list()) {
      if (this.#workers.has(uid)) continue;
      await this.#volumes.remove(uid).catch((error) =>
        this.#log.warn("volumes of a former pod could not be removed", {
          object: uid,
          error,
        })
      );
    }
  }

  async #collectBlobs(): Promise<void> {
    const keep = new Set<string>();
    for (const { record } of this.#workers.values()) {
      for (const { source } of record.spec.volumes) {
        if (source.case !== "files") continue;
        for (const file of source.value.files) keep.add(file.sha256);
      }
    }
    await this.#options.store.collectBlobs(keep).catch((error) =>
      this.#log.warn("old volume content could not be removed", { error })
    );
  }

  /** One command after the other about a pod. */
  #inTurn(uid: string, work: () => Promise<void>): Promise<void> {
    const turn = (this.#turns.get(uid) ?? Promise.resolve()).then(work, work);
    const tail = turn.catch(() => {}).then(() => {
      if (this.#turns.get(uid) === tail) this.#turns.delete(uid);
    });
    this.#turns.set(uid, tail);
    return turn;
  }
}
