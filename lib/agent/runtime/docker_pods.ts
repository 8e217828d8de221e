// SPDX-License-Identifier: Apache-2.0
/** Pods on a Docker engine. */
import {
  AranyaError,
  type Clock,
  createBackoff,
  type Logger,
  SYSTEM_CLOCK,
} from "../../shared/base/mod.ts";
import {
  type ContainerInspect,
  type ContainerSummary,
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
import {
  type ContainerIdentity,
  containerName,
  DEVICE_LABEL,
  fromInspect,
  fromLabels,
  podFilter,
  podUidOf,
} from "./labels.ts";
import type {
  ContainerRequest,
  PodRuntime,
  RuntimePod,
  Sandbox,
  SandboxRequest,
} from "./runtime.ts";
import { isGone, Sandboxes } from "./sandbox.ts";
import { Stops } from "./stops.ts";

/** Docker's words for our architectures, from "system information". */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  x86_64: "amd64",
  aarch64: "arm64",
  armv7l: "arm",
  armv6l: "arm",
};
const WATCHED_ACTIONS = ["start", "die", "oom", "destroy"];
const WATCH_BACKOFF = {
  initialDelayMs: 200,
  maxDelayMs: 10_000,
  factor: 2,
  jitter: 0.5,
};
const REMOVAL_POLL_MS = 100;
const REMOVAL_POLLS = 300;
const INSPECTED_AT_ONCE = 4;

/** Options of {@linkcode DockerPods}. */
export interface DockerPodsOptions {
  client: DockerClient;
  device: string;
  log: Logger;
  clock?: Clock;
}

/** PodRuntime over a Docker engine. */
export class DockerPods implements PodRuntime {
  readonly #client: DockerClient;
  readonly #device: string;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #sandboxes: Sandboxes;
  readonly #stops: Stops;
  /** What was seen of containers, under id and state: neither changes afterwards. */
  #seen = new Map<string, ContainerInspect>();
  /** Containers with an event since they were inspected: at "die" the engine's listing goes on saying "running" for a moment. */
  readonly #changed = new Set<string>();

  constructor(options: DockerPodsOptions) {
    this.#client = options.client;
    this.#device = options.device;
    this.#log = options.log;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#sandboxes = new Sandboxes(options);
    this.#stops = new Stops(options.client);
  }

  async ensureSandbox(
    request: SandboxRequest,
    signal: AbortSignal,
  ): Promise<Sandbox> {
    const info = await readSystemInfo(this.#client, signal);
    const arch = ARCHITECTURES[info.Architecture] ?? info.Architecture;
    await ensureInfraImage(this.#client, arch);
    signal.throwIfAborted();
    return await this.#sandboxes.ensure(request);
  }

  async removeSandbox(podUid: string): Promise<void> {
    const all = await listContainers(this.#client, {
      labels: [podFilter(podUid)],
    });
    const sandbox = (one: ContainerSummary) =>
      fromLabels(one.Labels)?.kind === "sandbox";
    // The infra container goes last: the others' network depends on it.
    for (const one of all) if (!sandbox(one)) await this.#remove(one.Id);
    for (const one of all) if (sandbox(one)) await this.#remove(one.Id);
    if (all.some(sandbox)) await this.#sandboxes.removeIdleNetwork();
  }

  async startContainer(
    request: ContainerRequest,
    signal: AbortSignal,
  ): Promise<string> {
    const name = containerName(request);
    const sandbox = await this.#sandboxes.find(request.podUid);
    if (!sandbox?.State.Running) {
      throw new AranyaError(
        "conflict",
        `Cannot start container "${request.container.name}" of pod "${request.namespace}/${request.podName}": its infra container does not run`,
      );
    }
    const config = toContainerCreate(request, {
      device: this.#device,
      sandboxId: sandbox.Id,
      image: await inspectImage(this.#client, request.imageId),
    });
    const left = await this.#takeOver(name);
    if (left !== undefined) return left;
    const id = await createContainer(this.#client, { name, config, signal });
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
    return this.#stops.stop(id, options);
  }

  removeContainer(id: string): Promise<void> {
    return this.#remove(id);
  }

  async listPods(): Promise<RuntimePod[]> {
    const all = await listContainers(this.#client, {
      labels: [`${DEVICE_LABEL}=${this.#device}`],
    });
    const pods = new Map<string, RuntimePod>();
    const seen = new Map<string, ContainerInspect>();
    for (let at = 0; at < all.length; at += INSPECTED_AT_ONCE) {
      const batch = all.slice(at, at + INSPECTED_AT_ONCE);
      const found = await Promise.all(
        batch.map((one) => this.#look(one)),
      );
      for (const inspect of found) {
        const identity = fromLabels(inspect?.Config.Labels);
        if (!inspect || !identity) continue;
        seen.set(`${inspect.Id} ${inspect.State.Status}`, inspect);
        this.#enter(pods, inspect, identity);
      }
    }
    this.#seen = seen;
    for (const pod of pods.values()) {
      pod.containers.sort((left, right) => right.attempt - left.attempt);
    }
    return [...pods.values()];
  }

  async *watchPods(signal: AbortSignal): AsyncGenerator<string> {
    const backoff = createBackoff(WATCH_BACKOFF);
    let isWatching = true;
    while (!signal.aborted) {
      try {
        const events = await watchEvents(this.#client, {
          label: `${DEVICE_LABEL}=${this.#device}`,
          actions: WATCHED_ACTIONS,
          signal,
        });
        // What happened before the engine listened has to be looked for.
        for (const inspect of this.#seen.values()) {
          this.#changed.add(inspect.Id);
        }
        if (!isWatching) this.#log.info("the engine's events are back");
        isWatching = true;
        yield "";
        backoff.reset();
        for await (const event of events) {
          if (event.Action !== "destroy") this.#changed.add(event.Actor.ID);
          const uid = podUidOf(event.Actor.Attributes);
          if (uid !== undefined) yield uid;
        }
      } catch (error) {
        if (signal.aborted) return;
        // One line when they go; the tries in between are of no interest.
        const level = isWatching ? "warn" : "debug";
        this.#log[level]("lost the engine's events", { error });
      }
      isWatching = false;
      if (signal.aborted) return;
      yield "";
      await this.#clock.sleep(backoff.next(), { signal }).catch(() => {});
    }
  }

  /** A container of that name that an earlier try left: its id when it was started, removed otherwise. */
  async #takeOver(name: string): Promise<string | undefined> {
    try {
      const { Id, State } = await inspectContainer(this.#client, name);
      if (State.Status !== "created") return Id;
      await this.#remove(Id);
    } catch (error) {
      if (!isGone(error)) throw error;
    }
    return undefined;
  }

  /** One that is being removed by somebody else answers "conflict" until it is gone. */
  async #remove(id: string): Promise<void> {
    for (let polls = 0;; polls++) {
      try {
        return await removeContainer(this.#client, id);
      } catch (error) {
        if (isGone(error)) return;
        const code = error instanceof AranyaError ? error.code : "";
        if (code !== "conflict" || polls >= REMOVAL_POLLS) throw error;
      }
      await this.#clock.sleep(REMOVAL_POLL_MS);
    }
  }

  async #look(one: ContainerSummary): Promise<ContainerInspect | undefined> {
    const isChanged = this.#changed.delete(one.Id);
    const seen = this.#seen.get(`${one.Id} ${one.State}`);
    if (seen && !isChanged && one.State !== "created") return seen;
    try {
      return await inspectContainer(this.#client, one.Id);
    } catch (error) {
      if (isGone(error)) return undefined;
      this.#changed.add(one.Id);
      throw error;
    }
  }

  #enter(
    pods: Map<string, RuntimePod>,
    inspect: ContainerInspect,
    identity: ContainerIdentity,
  ): void {
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
      podIps: this.#sandboxes.ipsOf(inspect),
    };
  }
}

/** Why a created container could not be started, in the house's codes; the engine answers 400 or 500 for all of them. */
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
  return new AranyaError(
    code,
    `Cannot start container "${request.container.name}" of pod "${request.namespace}/${request.podName}": ${text}`,
    { cause: error },
  );
}
