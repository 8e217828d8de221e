// SPDX-License-Identifier: Apache-2.0
/** The pods of one device on a fake engine, with an agent that can be stopped and started. */
import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  abortable,
  AranyaError,
  type Clock,
  SILENT_LOGGER,
  SYSTEM_CLOCK,
} from "../../../../lib/shared/base/mod.ts";
import { HostMounts } from "../../../../lib/agent/host/mod.ts";
import { createSeal, openStore } from "../../../../lib/agent/state/mod.ts";
import {
  create,
  type PodSpec,
  PodSpecSchema,
  type PodStatus,
} from "../../../../lib/shared/wire/mod.ts";
import {
  createPodWorkers,
  type PodEvent,
  type PodWorkers,
} from "../../../../lib/agent/pods/mod.ts";
import { until } from "../../../../dev/base/wait.ts";
import type {
  ContainerRuntime,
  DevicePressure,
  DeviceReader,
  ImageCollector,
} from "../../../../lib/agent/runtime/mod.ts";
import { FakeEngine } from "./fake_engine.ts";

type SpecInit = Omit<MessageInitShape<typeof PodSpecSchema>, "$typeName">;

/** One device. Its directory and its engine outlive the agents. */
export class PodsFixture implements AsyncDisposable {
  readonly dir = Deno.makeTempDirSync();
  /** Added to both clocks, see `advance`. */
  aheadMs = 0;
  readonly clock: Clock = {
    ...SYSTEM_CLOCK,
    monotonicMs: () => SYSTEM_CLOCK.monotonicMs() + this.aheadMs,
    wallMs: () => SYSTEM_CLOCK.wallMs() + this.aheadMs,
  };
  /** The engine that the pods run on, unless `start` was given a real one. */
  readonly engine = new FakeEngine(this.clock);
  readonly events: PodEvent[] = [];
  readonly statuses: PodStatus[] = [];
  /** Volume contents that the operator has, by hash. */
  blobs = new Map<string, Uint8Array>();
  /** What the device's owner allows; read when the agent starts. */
  switches = { privileged: true, hostPath: true, hostNamespaces: true };
  /** Whether there is a link to the operator. */
  online = true;
  /** What the device measures. */
  pressure: DevicePressure = {
    exceeded: [],
    conditions: [],
    hasOneDisk: true,
    countsPodMemory: true,
  };
  /** How often a condition of pressure has changed. */
  pressureChangeCount = 0;
  /** Names of needed images, at each time that all others were removed. */
  readonly reclaims: string[] = [];
  /** Called when images are removed. */
  onReclaim: () => void = () => {};
  /** Makes every write to the state directory fail. */
  isDiskFull = false;
  /** Number of writes to the state directory that failed. */
  failedWriteCount = 0;
  #runtime: ContainerRuntime = this.engine;
  #reader: Pick<DeviceReader, "readPressure"> = {
    readPressure: () => Promise.resolve(this.pressure),
  };
  #images: Pick<ImageCollector, "reclaim" | "onImagePulled"> = {
    reclaim: (needed) => {
      this.reclaims.push(needed.join());
      this.onReclaim();
      return Promise.resolve(0);
    },
    onImagePulled: () => Promise.resolve(),
  };
  #podWorkers: PodWorkers | undefined;

  /** Starts an agent on a fake engine and device, or on the given ones. */
  static async start(
    { runtime, reader, images }: {
      runtime?: ContainerRuntime;
      reader?: Pick<DeviceReader, "readPressure">;
      images?: Pick<ImageCollector, "reclaim" | "onImagePulled">;
    } = {},
  ): Promise<PodsFixture> {
    const fixture = new PodsFixture();
    if (runtime) fixture.#runtime = runtime;
    if (reader) fixture.#reader = reader;
    if (images) fixture.#images = images;
    await fixture.startAgent();
    return fixture;
  }

  get podWorkers(): PodWorkers {
    assert.ok(this.#podWorkers, "no agent runs");
    return this.#podWorkers;
  }

  async startAgent(): Promise<void> {
    const store = await openStore({
      dir: this.dir,
      seal: createSeal(new Uint8Array(32)),
      log: SILENT_LOGGER,
    });
    const write = store.write.bind(store);
    store.write = (...args) => {
      if (!this.isDiskFull) return write(...args);
      this.failedWriteCount++;
      return Promise.reject(
        new AranyaError("internal", "Cannot write: no space left"),
      );
    };
    this.#podWorkers = await createPodWorkers({
      runtime: this.#runtime,
      reader: this.#reader,
      images: this.#images,
      store,
      mounts: new HostMounts(),
      log: SILENT_LOGGER,
      clock: this.clock,
      host: { addresses: ["192.0.2.1"] },
      switches: this.switches,
      fetchBlobs: ({ hashes }) =>
        this.online
          ? Promise.resolve(
            hashes.map((hash) => this.blobs.get(hash) ?? new Uint8Array()),
          )
          : Promise.reject(
            new AranyaError("unavailable", "Cannot fetch: no link"),
          ),
      reporter: {
        onPodStatus: (status) =>
          void this.statuses.push(structuredClone(status)),
        onPodEvent: (event) => void this.events.push(event),
        onEngineChanged() {},
        onPressureChanged: () => void this.pressureChangeCount++,
      },
    });
  }

  async stopAgent(): Promise<void> {
    await this.#podWorkers?.[Symbol.asyncDispose]();
    this.#podWorkers = undefined;
  }

  /**
   * Makes sleeps of this length last until `release`, which ends those that run and all later ones.
   */
  holdSleeps(heldMs: number): { release(): void } {
    const released = Promise.withResolvers<void>();
    const sleep = this.clock.sleep.bind(this.clock);
    this.clock.sleep = async (delayMs, options = {}) => {
      if (delayMs !== heldMs) return await sleep(delayMs, options);
      await abortable(released.promise, options.signal);
      // A loop that only sleeps must leave time for others.
      await sleep(0, options);
    };
    return { release: released.resolve };
  }

  /** Moves the clocks forward and makes every pod sync. */
  advance(ms: number): void {
    this.aheadMs += ms;
    this.engine.notifyWatchers("");
  }

  /** Waits for a condition; `problem` stands in the error's text. */
  async waitUntil(problem: string, condition: () => boolean): Promise<void> {
    await until(condition, {
      // The start of five containers on a real engine took 20 s at a load of 30.
      timeoutMs: 60_000,
      detail: () =>
        `${problem}; calls: ${
          this.engine.calls.join(", ")
        }; status: ${this.describe()}`,
    });
  }

  /** Waits for a call of the engine, e.g. "start app-0". */
  waitForCall(call: string): Promise<void> {
    return this.waitUntil(
      `no call "${call}"`,
      () => this.engine.calls.includes(call),
    );
  }

  /** Waits for the stop of a container, see `FakeEngine.wasStopped`. */
  waitForStop(id: string, grace: { graceSeconds: number }): Promise<void> {
    return this.waitUntil(
      `no stop of "${id}" within ${grace.graceSeconds} s`,
      () => this.engine.wasStopped(id, grace),
    );
  }

  /** Waits until `describe` contains a text. */
  waitForStatus(text: string, uid = "u1"): Promise<void> {
    return this.waitUntil(
      `status never contains "${text}"`,
      () => this.describe(uid).includes(text),
    );
  }

  /**
   * Describes the status of a pod, e.g. "init:terminated:0#0 ready app:running#1" or "…
   * pod:terminated".
   */
  describe(uid = "u1"): string {
    const status = this.#podWorkers?.findStatus(uid);
    if (!status) return "no status";
    const containers = [...status.initContainers, ...status.containers].map(
      ({ name, state, restartCount, ready }) => {
        const text = state?.state.case === "waiting"
          ? `waiting:${state.state.value.reason}`
          : state?.state.case === "terminated"
          ? `terminated:${state.state.value.exitCode}`
          : `running`;
        return `${name}:${text}#${restartCount}${ready ? " ready" : ""}`;
      },
    );
    return [...containers, ...status.terminated ? ["pod:terminated"] : []]
      .join(" ");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopAgent();
    for (const uid of ["u1", "u2"]) {
      const dir = `${this.dir}/volumes/${uid}/volumes`;
      for await (const { name } of readDir(dir)) {
        await new HostMounts().unmount(`${dir}/${name}`).catch(() => {});
      }
    }
    await Deno.remove(this.dir, { recursive: true });
  }
}

/** Entries of a directory that may be absent. */
export async function* readDir(dir: string): AsyncGenerator<Deno.DirEntry> {
  try {
    yield* Deno.readDir(dir);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** A pod with the container "app", changed as given. */
export const podOf = (changes: SpecInit = {}): PodSpec =>
  create(PodSpecSchema, {
    uid: "u1",
    namespace: "ns",
    name: "web",
    specHash: "h1",
    terminationGraceSeconds: 30n,
    priority: 0,
    containers: [{ name: "app", image: "img" }],
    ...changes,
  });
