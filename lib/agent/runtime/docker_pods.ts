// SPDX-License-Identifier: Apache-2.0
/** Pods on a Docker engine. */
import {
  AranyaError,
  type Clock,
  createBackoff,
  hasCode,
  type Logger,
  onAbort,
  SYSTEM_CLOCK,
} from "../../shared/base/mod.ts";
import {
  type ContainerInspect,
  type ContainerListItem,
  createContainer,
  type DockerClient,
  inspectContainer,
  inspectImage,
  listContainers,
  readSystemInfo,
  removeContainer,
  startContainer,
  watchEvents,
} from "../docker/mod.ts";
import { toContainerCreate } from "./container_config.ts";
import { ensureInfraImage } from "./infra_image.ts";
import { InspectCache } from "./inspect_cache.ts";
import {
  DEVICE_LABEL,
  findPodUid,
  formatContainerName,
  formatPodFilter,
  fromInspect,
  fromLabels,
} from "./labels.ts";
import type {
  ContainerRequest,
  PodRuntime,
  RuntimePod,
  Sandbox,
  SandboxRequest,
} from "./runtime.ts";
import { Sandboxes } from "./sandboxes.ts";
import { StopRequests } from "./stop_requests.ts";

/** Go's names of the architectures in "Get system information". */
const GO_ARCHITECTURES: Readonly<Record<string, string>> = {
  x86_64: "amd64",
  aarch64: "arm64",
  armv7l: "arm",
  armv6l: "arm",
};
/**
 * The event stream is opened again after this time, which lists all pods: an event that the engine
 * dropped, or a connection that died without a sign, is made up for.
 */
const WATCH_PERIOD_MS = 5 * 60_000;
/** Events after which a pod must be synced. */
const WATCHED_ACTIONS = ["start", "die", "oom", "destroy"];
/** Delays before the event stream is opened again. */
const WATCH_BACKOFF = {
  initialDelayMs: 200,
  maxDelayMs: 10_000,
  factor: 2,
  jitter: 0.5,
};
/** A removal by another call is waited for up to 30 s. */
const REMOVAL_POLL_INTERVAL_MS = 100;
const MAX_REMOVAL_POLLS = 300;

/** Options of {@linkcode DockerPods}. */
export interface DockerPodsOptions {
  client: DockerClient;
  /** Name of the device. Containers of other devices' agents on the same engine are not touched. */
  device: string;
  log: Logger;
  clock?: Clock;
}

/** The pods of one device on one engine. Nothing is dialed before the first call. */
export class DockerPods implements PodRuntime {
  readonly #client: DockerClient;
  readonly #device: string;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #sandboxes: Sandboxes;
  readonly #stopRequests: StopRequests;
  readonly #inspectCache: InspectCache;
  /** Memory of the engine's machine; undefined before it was read. */
  #memoryBytes: number | undefined;

  constructor(options: DockerPodsOptions) {
    this.#client = options.client;
    this.#device = options.device;
    this.#log = options.log;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#sandboxes = new Sandboxes(options);
    this.#stopRequests = new StopRequests(options.client);
    this.#inspectCache = new InspectCache(options);
  }

  async ensureSandbox(
    request: SandboxRequest,
    signal: AbortSignal,
  ): Promise<Sandbox> {
    const { Architecture, MemTotal = 0 } = await readSystemInfo(
      this.#client,
      signal,
    );
    this.#memoryBytes = MemTotal;
    // The engine's machine, not the agent's: the engine may be reached by TCP.
    const arch = GO_ARCHITECTURES[Architecture] ?? Architecture;
    await ensureInfraImage(this.#client, arch);
    signal.throwIfAborted();
    return await this.#sandboxes.ensure(request, signal);
  }

  async stopSandbox(podUid: string): Promise<void> {
    const { sandboxes } = await this.#listPodContainers(podUid);
    for (const { Id } of sandboxes) await this.removeContainer(Id);
    if (sandboxes.length > 0) await this.#sandboxes.removeIdleNetwork();
  }

  async removeSandbox(podUid: string): Promise<void> {
    // The infra container goes last: the others use its network namespace.
    const { sandboxes, others } = await this.#listPodContainers(podUid);
    for (const { Id } of [...others, ...sandboxes]) {
      await this.removeContainer(Id);
    }
    // Also when someone else removed the infra container, or it never started.
    await this.#sandboxes.removeIdleNetwork();
  }

  async #listPodContainers(
    podUid: string,
  ): Promise<{ sandboxes: ContainerListItem[]; others: ContainerListItem[] }> {
    const containers = await listContainers(this.#client, {
      labels: [formatPodFilter(podUid)],
    });
    const isSandbox = ({ Labels }: ContainerListItem) =>
      fromLabels(Labels)?.kind === "sandbox";
    return {
      sandboxes: containers.filter(isSandbox),
      others: containers.filter((one) => !isSandbox(one)),
    };
  }

  async startContainer(
    request: ContainerRequest,
    signal: AbortSignal,
  ): Promise<string> {
    const sandbox = await this.#sandboxes.find(request.podUid);
    if (!sandbox?.State.Running) {
      throw new AranyaError(
        "conflict",
        `${toStartAction(request)}: the infra container is not running`,
      );
    }
    const config = toContainerCreate(request, {
      device: this.#device,
      sandboxId: sandbox.Id,
      image: await inspectImage(this.#client, request.imageId),
      memoryBytes: this.#memoryBytes ??= await this.#readMemoryBytes(signal),
    });
    const name = formatContainerName(request);
    // An earlier call may have started it before the agent was restarted.
    const existing = await this.#findStarted(name);
    if (existing !== undefined) return existing;
    signal.throwIfAborted();
    // From here on the signal closes no connection: the engine would go on unseen.
    const id = await createContainer(this.#client, { name, config });
    if (signal.aborted) {
      await this.removeContainer(id);
      throw signal.reason;
    }
    try {
      await startContainer(this.#client, id);
    } catch (error) {
      throw refineStartError(error, request);
    }
    return id;
  }

  stopContainer(
    id: string,
    options: { graceMs: number; signal: AbortSignal },
  ): Promise<void> {
    return this.#stopRequests.stop(id, options);
  }

  async removeContainer(id: string): Promise<void> {
    for (let polls = 0;; polls++) {
      try {
        return await removeContainer(this.#client, id);
      } catch (error) {
        if (hasCode(error, "not_found")) return;
        // "conflict": another call is removing it.
        if (!hasCode(error, "conflict") || polls >= MAX_REMOVAL_POLLS) {
          throw error;
        }
      }
      await this.#clock.sleep(REMOVAL_POLL_INTERVAL_MS);
    }
  }

  async listPods(): Promise<RuntimePod[]> {
    const listed = await listContainers(this.#client, {
      labels: [`${DEVICE_LABEL}=${this.#device}`],
    });
    const pods = new Map<string, RuntimePod>();
    for (const inspect of await this.#inspectCache.inspectAll(listed)) {
      this.#addToPods(pods, inspect);
    }
    for (const pod of pods.values()) {
      pod.containers.sort((left, right) => right.attempt - left.attempt);
    }
    return [...pods.values()];
  }

  async *watchPods(signal: AbortSignal): AsyncGenerator<string> {
    const backoff = createBackoff(WATCH_BACKOFF);
    let wasWatching = true;
    while (!signal.aborted) {
      using period = new WatchPeriod({ clock: this.#clock, signal });
      try {
        const events = await watchEvents(this.#client, {
          label: `${DEVICE_LABEL}=${this.#device}`,
          actions: WATCHED_ACTIONS,
          signal: period.signal,
        });
        // Events before this moment were missed.
        this.#inspectCache.invalidateAll();
        if (!wasWatching) this.#log.info("engine event stream is open again");
        wasWatching = true;
        yield "";
        backoff.reset();
        for await (const { Action, Actor } of events) {
          if (Action !== "destroy") this.#inspectCache.invalidate(Actor.ID);
          const uid = findPodUid(Actor.Attributes);
          if (uid !== undefined) yield uid;
        }
      } catch (error) {
        if (signal.aborted) return;
        // One line when the stream is lost; retries are for developers.
        const level = wasWatching && !period.hasEnded ? "warn" : "debug";
        this.#log[level]("engine event stream failed, will retry", { error });
      }
      if (period.hasEnded) continue;
      wasWatching = false;
      if (signal.aborted) return;
      yield "";
      await this.#clock.sleep(backoff.next(), { signal }).catch(() => {});
    }
  }

  async #readMemoryBytes(signal: AbortSignal): Promise<number> {
    return (await readSystemInfo(this.#client, signal)).MemTotal ?? 0;
  }

  /**
   * Returns the id of a container that an earlier call started; removes one that it only created,
   * and one that the engine can't inspect.
   */
  async #findStarted(name: string): Promise<string | undefined> {
    try {
      const { Id, State } = await inspectContainer(this.#client, name);
      if (State.Status !== "created") return Id;
      await this.removeContainer(Id);
    } catch (error) {
      if (hasCode(error, "internal")) await this.removeContainer(name);
      else if (!hasCode(error, "not_found")) throw error;
    }
    return undefined;
  }

  /** Adds a container to its pod, which it creates if needed. */
  #addToPods(pods: Map<string, RuntimePod>, inspect: ContainerInspect): void {
    const identity = fromLabels(inspect.Config.Labels);
    if (!identity) return;
    const pod = pods.get(identity.podUid) ?? {
      uid: identity.podUid,
      namespace: identity.namespace,
      name: identity.name,
      sandbox: undefined,
      containers: [],
    };
    pods.set(identity.podUid, pod);
    if (identity.kind !== "sandbox") {
      pod.containers.push(fromInspect(inspect, identity));
      return;
    }
    pod.sandbox = {
      id: inspect.Id,
      running: inspect.State.Running,
      podIps: this.#sandboxes.toPodIps(inspect),
    };
  }
}

/** The time for which an event stream is read. */
class WatchPeriod implements Disposable {
  /** Whether the time has passed. */
  hasEnded = false;
  readonly #controller = new AbortController();
  readonly #listener: Disposable;

  constructor({ clock, signal }: { clock: Clock; signal: AbortSignal }) {
    const controller = this.#controller;
    this.#listener = onAbort(signal, (reason) => controller.abort(reason));
    clock.sleep(WATCH_PERIOD_MS, { signal: this.signal }).then(
      () => {
        this.hasEnded = true;
        controller.abort();
      },
      () => {},
    );
  }

  /** Aborted when the time has passed. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    this.#listener[Symbol.dispose]();
    this.#controller.abort();
  }
}

/** Returns the action for errors of a start, which name the pod rather than an id. */
function toStartAction(
  { container, namespace, podName }: ContainerRequest,
): string {
  return `Cannot start container "${container.name}" of pod "${namespace}/${podName}"`;
}

/**
 * Returns the error for a created container that could not be started: the engine returns status
 * 400 or 500 for every reason, so the code is derived from its sentence. Other errors are returned
 * unchanged.
 */
export function refineStartError(
  error: unknown,
  request: ContainerRequest,
): unknown {
  if (!(error instanceof AranyaError)) return error;
  const text = error.message.replace(/^Cannot start container [^:]*: /, "");
  const code = /executable file not found|no such file or directory/i.test(text)
    ? "not_found"
    : /permission denied|not a directory|invalid|is a directory/i.test(text)
    ? "invalid"
    : error.code;
  return new AranyaError(code, `${toStartAction(request)}: ${text}`, {
    cause: error,
  });
}
