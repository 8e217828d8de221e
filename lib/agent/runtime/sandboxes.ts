// SPDX-License-Identifier: Apache-2.0
/** Infra containers of pods, and the network that they are connected to. */
import {
  AranyaError,
  defined,
  hasCode,
  Sequencer,
} from "../../shared/base/mod.ts";
import {
  type ContainerCreate,
  type ContainerInspect,
  createContainer,
  createNetwork,
  type DockerClient,
  inspectContainer,
  inspectNetwork,
  listContainers,
  removeContainer,
  removeNetwork,
  startContainer,
} from "../docker/mod.ts";
import { INFRA_IMAGE } from "./infra_image.ts";
import {
  DEVICE_LABEL,
  formatSandboxName,
  fromLabels,
  toSandboxLabels,
} from "./labels.ts";
import type { Sandbox, SandboxRequest } from "./runtime.ts";

/** User and group without any right, as for the kubelet's pause container. */
const INFRA_USER = "65535:65535";
/** The kernel's minimum: infra containers only wait. */
const MIN_CPU_SHARES = 2;

/** Infra containers and the pod network of one device on one engine. */
export class Sandboxes {
  /** Name of the pod network. */
  readonly network: string;
  readonly #client: DockerClient;
  readonly #device: string;
  /** Keeps the network from being removed between its creation and its first container. */
  readonly #networkTasks = new Sequencer();

  constructor(options: { client: DockerClient; device: string }) {
    this.#client = options.client;
    this.#device = options.device;
    this.network = `aranya-${options.device}`;
  }

  /**
   * Makes sure that the pod's infra container runs; replaces one that has exited. The infra image
   * must be on the engine. When the signal is aborted meanwhile, no infra container is left.
   * @throws {AranyaError} code "conflict" when the pod network is in use with another range
   * @throws the signal's reason when it is aborted
   */
  async ensure(
    request: SandboxRequest,
    signal: AbortSignal,
  ): Promise<Sandbox> {
    const name = formatSandboxName(request.podUid);
    const existing = await this.#findUsable(request.podUid);
    if (existing) return { podIps: this.toPodIps(existing) };
    const config = toSandboxCreate(request, {
      device: this.#device,
      network: this.network,
    });
    const start = () => this.#startInfraContainer(config, { name, signal });
    if (request.hostNetwork) await start();
    else {
      await this.#networkTasks.run(this.network, async () => {
        // The pod may have been deleted while others were started.
        signal.throwIfAborted();
        await this.#ensureNetwork(request.podCidr);
        await start();
      });
    }
    const created = await inspectContainer(this.#client, name);
    return { podIps: this.toPodIps(created) };
  }

  /** Returns the pod's infra container, running or not; undefined when it has none. */
  async find(podUid: string): Promise<ContainerInspect | undefined> {
    try {
      return await inspectContainer(this.#client, formatSandboxName(podUid));
    } catch (error) {
      if (hasCode(error, "not_found")) return undefined;
      throw error;
    }
  }

  /** Returns the addresses of an infra container in the pod network; none with hostNetwork. */
  toPodIps({ NetworkSettings }: ContainerInspect): string[] {
    const endpoint = NetworkSettings.Networks?.[this.network];
    return [endpoint?.IPAddress, endpoint?.GlobalIPv6Address].flatMap((ip) =>
      ip ? [ip] : []
    );
  }

  /** Removes the pod network when the device has no infra container any more. */
  removeIdleNetwork(): Promise<void> {
    return this.#networkTasks.run(this.network, async () => {
      const containers = await listContainers(this.#client, {
        labels: [`${DEVICE_LABEL}=${this.#device}`],
      });
      const isUsed = containers.some(({ Labels }) =>
        fromLabels(Labels)?.kind === "sandbox"
      );
      if (isUsed) return;
      try {
        await removeNetwork(this.#client, this.network);
      } catch (error) {
        // "forbidden": a container that isn't a pod's is connected to it; the network stays.
        if (!hasCode(error, "not_found", "forbidden")) throw error;
      }
    });
  }

  /**
   * Returns the pod's infra container if it runs; removes one that has exited, or that the engine
   * can't inspect.
   */
  async #findUsable(podUid: string): Promise<ContainerInspect | undefined> {
    try {
      const existing = await this.find(podUid);
      if (!existing || existing.State.Running) return existing;
    } catch (error) {
      if (!hasCode(error, "internal")) throw error;
    }
    await removeContainer(this.#client, formatSandboxName(podUid));
    return undefined;
  }

  /** Creates and starts a container; removes it when it can't be started, or is not wanted. */
  async #startInfraContainer(
    config: ContainerCreate,
    { name, signal }: { name: string; signal: AbortSignal },
  ): Promise<void> {
    const id = await createContainer(this.#client, { name, config });
    try {
      signal.throwIfAborted();
      await startContainer(this.#client, id);
      // The engine finishes what it began: the signal can't interrupt it.
      signal.throwIfAborted();
    } catch (error) {
      await removeContainer(this.#client, id);
      throw error;
    }
  }

  /**
   * Creates the pod network; recreates it for another range unless containers are connected to it.
   * @param podCidr empty accepts any range
   */
  async #ensureNetwork(podCidr: string): Promise<void> {
    const existing = await inspectNetwork(this.#client, this.network).catch(
      (error) => {
        if (hasCode(error, "not_found")) return undefined;
        throw error;
      },
    );
    if (existing) {
      const subnet = existing.IPAM.Config?.[0]?.Subnet ?? "";
      if (podCidr === "" || podCidr === subnet) return;
      if (Object.keys(existing.Containers ?? {}).length > 0) {
        throw new AranyaError(
          "conflict",
          `Cannot use network "${this.network}" for pods: its range is ${subnet} and containers use it, expected range ${podCidr}`,
        );
      }
      await removeNetwork(this.#client, this.network);
    }
    await createNetwork(this.#client, {
      name: this.network,
      subnet: podCidr,
      labels: { [DEVICE_LABEL]: this.#device },
    });
  }
}

/** Returns the engine's configuration of an infra container. */
export function toSandboxCreate(
  request: SandboxRequest,
  context: { device: string; network: string },
): ContainerCreate {
  const { dns, hostNetwork, hostPid, hostIpc, hostname } = request;
  return {
    Image: INFRA_IMAGE,
    ...defined({ Hostname: hostNetwork ? undefined : hostname }),
    User: INFRA_USER,
    Labels: toSandboxLabels({ ...request, device: context.device }),
    HostConfig: {
      NetworkMode: hostNetwork ? "host" : context.network,
      IpcMode: hostIpc ? "host" : "shareable",
      ...defined({ PidMode: hostPid ? "host" : undefined }),
      RestartPolicy: { Name: "no" },
      LogConfig: { Type: "none", Config: {} },
      CpuShares: MIN_CPU_SHARES,
      // No OomScoreAdj: lowering it needs a capability that some engines lack, and the OOM killer
      // doesn't choose a process of one page anyway.
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      ExtraHosts: request.hostAliases.flatMap(({ ip, names }) =>
        names.map((name) => `${name}:${ip}`)
      ),
      ...defined({
        Dns: dns?.servers,
        DnsSearch: dns?.searches,
        DnsOptions: dns?.options,
      }),
      Sysctls: Object.fromEntries(
        request.sysctls.map(({ name, value }) => [name, value]),
      ),
    },
  };
}
