// SPDX-License-Identifier: Apache-2.0
/** A pod's infra container, which holds its network, and the Docker network that pods of this device are in. */
import { AranyaError } from "../../shared/base/mod.ts";
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
  fromLabels,
  sandboxLabels,
  sandboxName,
} from "./labels.ts";
import type { Sandbox, SandboxRequest } from "./runtime.ts";

/** Nobody in particular, as usual for containers that only wait. */
const INFRA_USER = "65535:65535";
const MIN_CPU_SHARES = 2;

/** Infra containers and their network on one engine. */
export class Sandboxes {
  readonly #client: DockerClient;
  readonly #device: string;
  readonly network: string;
  /** Making and removing the network must not meet. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: { client: DockerClient; device: string }) {
    this.#client = options.client;
    this.#device = options.device;
    this.network = `aranya-${options.device}`;
  }

  /** See PodRuntime.ensureSandbox; the image must be there. */
  async ensure(request: SandboxRequest): Promise<Sandbox> {
    const name = sandboxName(request.podUid);
    const known = await this.find(request.podUid);
    if (known?.State.Running) return { podIps: this.ipsOf(known) };
    if (known) await removeContainer(this.#client, known.Id);
    const config = toSandboxCreate(request, {
      device: this.#device,
      network: this.network,
    });
    if (request.hostNetwork) await this.#create(name, config);
    else {
      await this.#inTurn(async () => {
        await this.#ensureNetwork(request.podCidr);
        await this.#create(name, config);
      });
    }
    return { podIps: this.ipsOf(await inspectContainer(this.#client, name)) };
  }

  /** The pod's infra container, dead or alive. */
  async find(podUid: string): Promise<ContainerInspect | undefined> {
    try {
      return await inspectContainer(this.#client, sandboxName(podUid));
    } catch (error) {
      if (isGone(error)) return undefined;
      throw error;
    }
  }

  /** The pod's addresses; none in the host's network. */
  ipsOf(inspect: ContainerInspect): string[] {
    const end = inspect.NetworkSettings.Networks?.[this.network];
    return [end?.IPAddress, end?.GlobalIPv6Address].filter((ip) =>
      ip !== undefined && ip !== ""
    ) as string[];
  }

  /** Removes the network when no pod of this device is left. */
  removeIdleNetwork(): Promise<void> {
    return this.#inTurn(async () => {
      const left = await listContainers(this.#client, {
        labels: [`${DEVICE_LABEL}=${this.#device}`],
      });
      if (left.some((one) => fromLabels(one.Labels)?.kind === "sandbox")) {
        return;
      }
      try {
        await removeNetwork(this.#client, this.network);
      } catch (error) {
        // "forbidden": somebody's own container is in it; it stays.
        const known = error instanceof AranyaError ? error.code : "";
        if (known !== "not_found" && known !== "forbidden") throw error;
      }
    });
  }

  async #create(name: string, config: ContainerCreate): Promise<void> {
    const id = await createContainer(this.#client, { name, config });
    try {
      await startContainer(this.#client, id);
    } catch (error) {
      await removeContainer(this.#client, id);
      throw error;
    }
  }

  async #ensureNetwork(subnet: string): Promise<void> {
    const known = await inspectNetwork(this.#client, this.network).catch(
      (error) => {
        if (isGone(error)) return undefined;
        throw error;
      },
    );
    if (known) {
      const actual = known.IPAM.Config?.[0]?.Subnet ?? "";
      if (subnet === "" || subnet === actual) return;
      if (Object.keys(known.Containers ?? {}).length > 0) {
        throw new AranyaError(
          "conflict",
          `Cannot use network "${this.network}" for pods: its range is ${actual} and containers use it, expected range ${subnet}`,
        );
      }
      await removeNetwork(this.#client, this.network);
    }
    await createNetwork(this.#client, {
      name: this.network,
      subnet,
      labels: { [DEVICE_LABEL]: this.#device },
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work, work);
    this.#turn = mine.catch(() => {});
    return mine;
  }
}

/** Whether the error says that the thing isn't there. */
export function isGone(error: unknown): boolean {
  return error instanceof AranyaError && error.code === "not_found";
}

/** The infra container in the engine's words; pure. */
export function toSandboxCreate(
  request: SandboxRequest,
  around: { device: string; network: string },
): ContainerCreate {
  const { dns, hostNetwork } = request;
  return {
    Image: INFRA_IMAGE,
    ...(hostNetwork ? {} : { Hostname: request.hostname }),
    User: INFRA_USER,
    Labels: sandboxLabels({ ...request, device: around.device }),
    HostConfig: {
      NetworkMode: hostNetwork ? "host" : around.network,
      IpcMode: request.hostIpc ? "host" : "shareable",
      ...(request.hostPid ? { PidMode: "host" } : {}),
      RestartPolicy: { Name: "no" },
      LogConfig: { Type: "none", Config: {} },
      CpuShares: MIN_CPU_SHARES,
      // No OomScoreAdj: lowering it takes a capability that not every engine has, and a process of one page is no candidate.
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      ExtraHosts: request.hostAliases.flatMap(({ ip, names }) =>
        names.map((name) => `${name}:${ip}`)
      ),
      ...(dns === undefined ? {} : {
        Dns: dns.servers,
        DnsSearch: dns.searches,
        DnsOptions: dns.options,
      }),
      Sysctls: Object.fromEntries(
        request.sysctls.map(({ name, value }) => [name, value]),
      ),
    },
  };
}
