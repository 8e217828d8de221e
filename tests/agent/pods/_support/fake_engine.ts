// SPDX-License-Identifier: Apache-2.0
/** An engine whose containers do what a test says: for turns that a real one can't be brought to at will (away, slow, failing, dead for hours). */
import { AranyaError, type Clock } from "../../../../lib/shared/base/mod.ts";
import type { ExitStatus } from "../../../../lib/shared/exec/mod.ts";
import type {
  ContainerRequest,
  ContainerRuntime,
  RuntimeContainer,
  RuntimePod,
  SandboxRequest,
  StreamRuntime,
} from "../../../../lib/agent/runtime/mod.ts";
import { Pipe } from "../../../../dev/base/pipe.ts";

/** See the file's head. */
export class FakeEngine implements ContainerRuntime {
  /** What was asked of it, in order. */
  readonly calls: string[] = [];
  readonly pods = new Map<string, RuntimePod>();
  readonly requests = new Map<string, ContainerRequest>();
  away = false;
  /** Waited for by each start, pull and stop of this container. */
  readonly gates = new Map<string, Promise<void>>();
  /** Thrown by pulls and starts of this container. */
  readonly failures = new Map<string, AranyaError>();
  /** Gives the log of a container. */
  log = "";
  exec: StreamRuntime["exec"] = () => Promise.resolve({ code: 0 });
  readonly #clock: Clock;
  readonly #watchers = new Set<(uid: string) => void>();
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  #check(): void {
    if (this.away) {
      throw new AranyaError("unavailable", "Cannot reach engine: it is away");
    }
  }

  tell(uid: string): void {
    for (const watcher of this.#watchers) watcher(uid);
  }

  ensureSandbox(request: SandboxRequest): Promise<{ podIps: string[] }> {
    this.#check();
    this.calls.push(`sandbox ${request.podUid}`);
    const pod = this.pods.get(request.podUid);
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
    return Promise.resolve({ podIps });
  }

  removeSandbox(uid: string): Promise<void> {
    this.#check();
    this.calls.push(`remove sandbox ${uid}`);
    this.pods.delete(uid);
    return Promise.resolve();
  }

  async startContainer(
    request: ContainerRequest,
    signal: AbortSignal,
  ): Promise<string> {
    const { name } = request.container;
    await this.gates.get(name);
    signal.throwIfAborted();
    this.#check();
    const failure = this.failures.get(name);
    if (failure) throw failure;
    const id = `${name}-${request.attempt}`;
    this.calls.push(`start ${id}`);
    this.requests.set(id, request);
    this.pods.get(request.podUid)?.containers.unshift({
      id,
      name,
      kind: request.kind,
      attempt: request.attempt,
      image: request.container.image,
      imageId: request.imageId,
      state: "running",
      startedUnixMs: this.#clock.wallMs(),
      finishedUnixMs: 0,
      exitCode: 0,
      oomKilled: false,
      error: "",
      labels: request.labels,
    });
    this.tell(request.podUid);
    return id;
  }

  find(id: string): RuntimeContainer | undefined {
    return [...this.pods.values()].flatMap(({ containers }) => containers)
      .find((container) => container.id === id);
  }

  /** Has a container end by itself. */
  end(id: string, exitCode: number): void {
    const container = this.find(id);
    if (!container || container.state === "exited") return;
    container.state = "exited";
    container.exitCode = exitCode;
    container.finishedUnixMs = this.#clock.wallMs();
    for (const pod of this.pods.values()) {
      if (pod.containers.includes(container)) this.tell(pod.uid);
    }
  }

  async stopContainer(
    id: string,
    { graceMs, signal }: { graceMs: number; signal: AbortSignal },
  ): Promise<void> {
    this.#check();
    this.calls.push(`stop ${id} ${Math.round(graceMs / 1_000)}s`);
    await this.gates.get(`stop ${id}`);
    signal.throwIfAborted();
    this.end(id, 143);
  }

  removeContainer(id: string): Promise<void> {
    this.#check();
    this.calls.push(`remove ${id}`);
    for (const pod of this.pods.values()) {
      pod.containers = pod.containers.filter((one) => one.id !== id);
    }
    return Promise.resolve();
  }

  listPods(): Promise<RuntimePod[]> {
    return Promise.resolve().then(() => {
      this.#check();
      return structuredClone([...this.pods.values()]);
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
  ): Promise<{ imageId: string; pulled: boolean }> {
    await this.gates.get(`pull ${image}`);
    this.#check();
    const failure = this.failures.get(`pull ${image}`);
    if (failure) throw failure;
    return { imageId: `sha256:${image}`, pulled: false };
  }

  stats(): Promise<never[]> {
    return Promise.resolve([]);
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
