// SPDX-License-Identifier: Apache-2.0
/** One device with a scripted engine, whose agent may be stopped and started. */
import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  AranyaError,
  type Clock,
  SILENT_LOGGER,
  SYSTEM_CLOCK,
} from "../../../../lib/shared/base/mod.ts";
import { createTmpfsMounts } from "../../../../lib/agent/host/mod.ts";
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
import { FakeEngine } from "./fake_engine.ts";

type SpecInit = Omit<MessageInitShape<typeof PodSpecSchema>, "$typeName">;

/** One device: its directory and engine outlive agents. */
export class DeviceFixture implements AsyncDisposable {
  readonly dir = Deno.makeTempDirSync();
  /** Added to both clocks, to make waiting short. */
  aheadMs = 0;
  readonly clock: Clock = {
    ...SYSTEM_CLOCK,
    monotonicMs: () => SYSTEM_CLOCK.monotonicMs() + this.aheadMs,
    wallMs: () => SYSTEM_CLOCK.wallMs() + this.aheadMs,
  };
  readonly engine = new FakeEngine(this.clock);
  readonly events: PodEvent[] = [];
  readonly statuses: PodStatus[] = [];
  blobs = new Map<string, Uint8Array>();
  online = true;
  #podWorkers: PodWorkers | undefined;

  get podWorkers(): PodWorkers {
    assert.ok(this.#podWorkers, "no agent runs");
    return this.#podWorkers;
  }

  /** Has sleeps last until `pass()`, which ends them all and those to come. */
  holdSleeps(): { pass(): void } {
    const gate = Promise.withResolvers<void>();
    this.clock.sleep = (_ms, { signal } = {}) => {
      const ended = Promise.withResolvers<void>();
      if (signal?.aborted) ended.reject(signal.reason);
      const end = () => ended.reject(signal?.reason);
      signal?.addEventListener("abort", end, { once: true });
      gate.promise.then(ended.resolve);
      return ended.promise;
    };
    return { pass: gate.resolve };
  }

  static async start(): Promise<DeviceFixture> {
    const device = new DeviceFixture();
    await device.startAgent();
    return device;
  }

  async startAgent(): Promise<void> {
    const store = await openStore({
      dir: this.dir,
      seal: createSeal(new Uint8Array(32)),
      log: SILENT_LOGGER,
    });
    this.#podWorkers = await createPodWorkers({
      runtime: this.engine,
      store,
      mounts: createTmpfsMounts(),
      log: SILENT_LOGGER,
      clock: this.clock,
      host: { addresses: ["192.0.2.1"] },
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
      },
    });
  }

  async stopAgent(): Promise<void> {
    await this.#podWorkers?.[Symbol.asyncDispose]();
    this.#podWorkers = undefined;
  }

  /** Waits until this is so. */
  async until(what: string, condition: () => boolean): Promise<void> {
    const deadline = performance.now() + 5_000;
    while (!condition()) {
      assert.ok(
        performance.now() < deadline,
        `${what}; calls: ${
          this.engine.calls.join(", ")
        }; status: ${this.say()}`,
      );
      await SYSTEM_CLOCK.sleep(2);
    }
  }

  called(call: string): Promise<void> {
    return this.until(`never: ${call}`, () => this.engine.calls.includes(call));
  }

  shows(text: string, uid = "u1"): Promise<void> {
    return this.until(`never: ${text}`, () => this.say(uid).includes(text));
  }

  /** `init:terminated:0 app:running#1 ready`, … */
  say(uid = "u1"): string {
    const status = this.#podWorkers?.findStatus(uid);
    if (!status) return "nothing";
    const containers = [...status.initContainers, ...status.containers].map(
      ({ name, state, restartCount, ready }) => {
        const word = state?.state.case === "waiting"
          ? `waiting:${state.state.value.reason}`
          : state?.state.case === "terminated"
          ? `terminated:${state.state.value.exitCode}`
          : `running`;
        return `${name}:${word}#${restartCount}${ready ? " ready" : ""}`;
      },
    );
    return [...containers, ...status.terminated ? ["gone"] : []].join(" ");
  }

  /** Lets time go by and has everybody look. */
  pass(ms: number): void {
    this.aheadMs += ms;
    this.engine.tell("");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopAgent();
    for (const uid of ["u1", "u2"]) {
      const dir = `${this.dir}/volumes/${uid}/volumes`;
      for await (const { name } of readDir(dir)) {
        await createTmpfsMounts().unmount(`${dir}/${name}`).catch(() => {});
      }
    }
    await Deno.remove(this.dir, { recursive: true });
  }
}

/** Entries of a folder that may be absent. */
export async function* readDir(dir: string): AsyncGenerator<Deno.DirEntry> {
  try {
    yield* Deno.readDir(dir);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** A pod with one container, changed as given. */
export const podOf = (more: SpecInit = {}): PodSpec =>
  create(PodSpecSchema, {
    uid: "u1",
    namespace: "ns",
    name: "web",
    specHash: "h1",
    terminationGraceSeconds: 30n,
    containers: [{ name: "app", image: "img" }],
    ...more,
  });
