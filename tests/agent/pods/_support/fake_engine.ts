// SPDX-License-Identifier: Apache-2.0
/**
 * A container engine in memory, which can be unavailable, slow or failing on demand.
 * tests/engine/contract_test.ts compares it with a real one.
 */
import {
  abortable,
  AranyaError,
  type Clock,
} from "../../../../lib/shared/base/mod.ts";
import type { ContainerStats } from "../../../../lib/shared/wire/mod.ts";
import type { ExitStatus } from "../../../../lib/shared/exec/mod.ts";
import type {
  ContainerDiskUsage,
  ContainerRequest,
  ContainerRuntime,
  RuntimeContainer,
  RuntimePod,
  SandboxRequest,
  StreamRuntime,
} from "../../../../lib/agent/runtime/mod.ts";
import { Pipe } from "../../../../dev/base/pipe.ts";

/** Containers run as long as the test wants them to; see `exitContainer`. */
export class FakeEngine implements ContainerRuntime {
  /** Calls that changed something, in order, e.g. "start app-0", "stop app-0 30s". */
  readonly calls: string[] = [];
  /** By pod UID. */
  readonly pods = new Map<string, RuntimePod>();
  /** Requests of the containers that were started, by container id. */
  readonly requests = new Map<string, ContainerRequest>();
  /** Makes every call fail. */
  unavailable = false;
  /**
   * Awaited by calls: "<container>" by its starts, "sandbox <pod UID>", "pull <image>", "stop
   * <container id>". As on a real engine, the abort of a call ends pulls and the wait for a stop,
   * and nothing else.
   */
  readonly gates = new Map<string, Promise<void>>();
  /** Thrown by calls: "<container>" by its starts, "pull <image>". */
  readonly failures = new Map<string, AranyaError>();
  /** Names of the containers whose command does not exist. */
  readonly absentCommands = new Set<string>();
  /** Exit code of containers that are stopped. */
  stopExitCode = 143;
  /** Returned by `readStats`. */
  stats: ContainerStats[] = [];
  /** Returned by `readDiskUsage`. */
  diskUsage: ContainerDiskUsage[] = [];
  /** The log of every container. */
  log = "";
  exec: StreamRuntime["exec"] = () => Promise.resolve({ code: 0 });
  readonly #clock: Clock;
  readonly #watchers = new Set<(uid: string) => void>();
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  #check(): void {
    if (this.unavailable) {
      throw new AranyaError("unavailable", "Cannot reach engine: no answer", {
        details: { unreachable: "engine" },
      });
    }
  }

  /** Reports a change of this pod to the watchers; "" stands for all pods. */
  notifyWatchers(uid: string): void {
    for (const watcher of this.#watchers) watcher(uid);
  }

  async ensureSandbox(
    request: SandboxRequest,
    signal?: AbortSignal,
  ): Promise<{ podIps: string[] }> {
    signal?.throwIfAborted();
    this.#check();
    this.calls.push(`sandbox ${request.podUid}`);
    await this.gates.get(`sandbox ${request.podUid}`);
    const pod = this.pods.get(request.podUid);
    if (pod?.sandbox?.running) return { podIps: pod.sandbox.podIps };
    const podIps = ["10.0.0.2"];
    const sandbox = { id: `s${++this.#count}`, running: true, podIps };
    const { podUid: uid, namespace, name } = request;
    this.pods.set(uid, {
      uid,
      namespace,
      name,
      containers: pod?.containers ?? [],
      sandbox,
    });
    return { podIps };
  }

  stopSandbox(uid: string): Promise<void> {
    return Promise.resolve().then(() => {
      this.#check();
      this.calls.push(`stop sandbox ${uid}`);
      const pod = this.pods.get(uid);
      if (pod) pod.sandbox = undefined;
    });
  }

  removeSandbox(uid: string): Promise<void> {
    return Promise.resolve().then(() => {
      this.#check();
      this.calls.push(`remove sandbox ${uid}`);
      this.pods.delete(uid);
    });
  }

  async startContainer(
    request: ContainerRequest,
    signal: AbortSignal,
  ): Promise<string> {
    const { name } = request.container;
    signal.throwIfAborted();
    await this.gates.get(name);
    this.#check();
    const failure = this.failures.get(name);
    if (failure) throw failure;
    const pod = this.pods.get(request.podUid);
    if (!pod?.sandbox?.running) {
      throw new AranyaError("conflict", "Cannot start container: no sandbox");
    }
    const id = `${name}-${request.attempt}`;
    if (pod.containers.some((one) => one.id === id)) return id;
    const isAbsent = this.absentCommands.has(name);
    this.calls.push(`start ${id}`);
    this.requests.set(id, request);
    const nowMs = this.#clock.wallMs();
    pod.containers.unshift({
      id,
      name,
      kind: request.kind,
      attempt: request.attempt,
      image: request.container.image,
      imageId: request.imageId,
      state: isAbsent ? "exited" : "running",
      startedUnixMs: isAbsent ? 0 : nowMs,
      finishedUnixMs: isAbsent ? nowMs : 0,
      exitCode: isAbsent ? 128 : 0,
      oomKilled: false,
      error: isAbsent ? "command not found" : "",
      labels: request.labels,
    });
    this.notifyWatchers(request.podUid);
    if (isAbsent) {
      throw new AranyaError("not_found", "Cannot start container: no command");
    }
    return id;
  }

  /**
   * Returns whether a stop was called with this grace period, of which some seconds may have passed
   * since it began: a busy machine needs them to persist it.
   */
  wasStopped(id: string, { graceSeconds }: { graceSeconds: number }): boolean {
    return Array.from(
      { length: 10 },
      (_, passedSeconds) => `stop ${id} ${graceSeconds - passedSeconds}s`,
    ).some((call) => this.calls.includes(call));
  }

  findContainer(id: string): RuntimeContainer | undefined {
    return [...this.pods.values()].flatMap(({ containers }) => containers)
      .find((container) => container.id === id);
  }

  /** Ends a container as if its process had exited. */
  exitContainer(id: string, exitCode: number): void {
    const container = this.findContainer(id);
    if (!container || container.state === "exited") return;
    container.state = "exited";
    container.exitCode = exitCode;
    container.finishedUnixMs = this.#clock.wallMs();
    for (const pod of this.pods.values()) {
      if (pod.containers.includes(container)) this.notifyWatchers(pod.uid);
    }
  }

  async stopContainer(
    id: string,
    { graceMs, signal }: { graceMs: number; signal: AbortSignal },
  ): Promise<void> {
    this.#check();
    this.calls.push(`stop ${id} ${Math.round(graceMs / 1_000)}s`);
    await abortable(Promise.resolve(this.gates.get(`stop ${id}`)), signal);
    this.exitContainer(id, this.stopExitCode);
  }

  removeContainer(id: string): Promise<void> {
    return Promise.resolve().then(() => {
      this.#check();
      this.calls.push(`remove ${id}`);
      for (const pod of this.pods.values()) {
        pod.containers = pod.containers.filter((one) => one.id !== id);
      }
    });
  }

  listPods(): Promise<RuntimePod[]> {
    return Promise.resolve().then(() => {
      this.#check();
      const listed = [...this.pods.values()].filter(({ sandbox, containers }) =>
        sandbox || containers.length > 0
      );
      return structuredClone(listed);
    });
  }

  async *watchPods(signal: AbortSignal): AsyncGenerator<string> {
    const pipe = new Pipe<string>({ capacity: 1_000 });
    const take = (uid: string) => void pipe.write(uid).catch(() => {});
    this.#watchers.add(take);
    signal.addEventListener("abort", () => pipe.end(), { once: true });
    yield "";
    yield* pipe.readable;
  }

  async ensureImage(
    { image }: { image: string },
    signal?: AbortSignal,
  ): Promise<{ imageId: string; pulled: boolean }> {
    await abortable(Promise.resolve(this.gates.get(`pull ${image}`)), signal);
    this.#check();
    const failure = this.failures.get(`pull ${image}`);
    if (failure) throw failure;
    return { imageId: `sha256:${image}`, pulled: false };
  }

  readStats(): Promise<ContainerStats[]> {
    return Promise.resolve(this.stats);
  }

  readDiskUsage(): Promise<ContainerDiskUsage[]> {
    return Promise.resolve(this.diskUsage);
  }

  attach(): Promise<ExitStatus> {
    return Promise.resolve({ code: 0 });
  }

  logs: ContainerRuntime["logs"] = () => this.#readLog();
  connectPort: ContainerRuntime["connectPort"] = () => Promise.resolve();

  async *#readLog(): AsyncGenerator<Uint8Array> {
    yield new TextEncoder().encode(this.log);
  }
}
