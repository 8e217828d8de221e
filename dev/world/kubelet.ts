// SPDX-License-Identifier: Apache-2.0
/**
 * A real kubelet with containerd, as another Node of the world's control plane: the measure for
 * what a pod on a device should look like.
 */
import { kubeletProgram } from "../build/binaries.ts";
import { join } from "../base/paths.ts";
import { until } from "../base/wait.ts";
import type { Apiserver } from "./apiserver.ts";
import { Containerd, CONTAINERD_SOCKET } from "./containerd.ts";
import { writeKubeconfig } from "./kubeconfig.ts";
import { type Launched, logTail } from "./launch.ts";
import type { Machine } from "./machine.ts";
import type { Network } from "./network.ts";
import { makeCertificate } from "./pki.ts";

const PORT = 10_250;
const CGROUPS = "/sys/fs/cgroup";

/** Flags of an API server that kubelets on other machines reach. */
export const REACHABLE_APISERVER = ["--bind-address=0.0.0.0"];

/** Options of {@linkcode Kubelet.start}. */
export interface KubeletOptions {
  network: Network;
  /** Started with {@linkcode REACHABLE_APISERVER}. */
  apiserver: Apiserver;
  /** Name of the Node and of the machine. */
  name: string;
  /** Kubernetes version without `v`. @default the control plane's */
  version?: string;
  labels?: Record<string, string>;
  /** Cluster DNS of its pods. */
  dns: { server: string; domain: string };
}

/** A running kubelet whose Node is Ready. */
export class Kubelet implements AsyncDisposable {
  readonly machine: Machine;
  readonly log: string;
  readonly #closes: AsyncDisposableStack;

  private constructor(
    options: { machine: Machine; log: string; closes: AsyncDisposableStack },
  ) {
    this.machine = options.machine;
    this.log = options.log;
    this.#closes = options.closes;
  }

  /** Starts machine, containerd and kubelet, and waits until the Node is Ready. */
  static async start(options: KubeletOptions): Promise<Kubelet> {
    const { network, apiserver, name } = options;
    const closes = new AsyncDisposableStack();
    try {
      const program = await kubeletProgram(
        options.version ? { version: options.version } : {},
      );
      const machine = await network.addDevice(name);
      closes.defer(() => network.removeDevice(name));
      // The kubelet mounts volumes that the runtime's containers must see.
      await machine.run("mount", { args: ["--make-rshared", "/"] });
      await makeCgroups(machine.cgroup);
      const logs = join(network.folder, "logs");
      closes.use(await Containerd.start({ machine, logs }));
      const log = join(logs, `kubelet-${name}.log`);
      const launched = closes.use(
        await machine.launch(program, {
          name: `kubelet ${name}`,
          args: await flagsOf(machine, options),
          log,
          graceMs: 10_000,
        }),
      );
      await untilNodeReady(launched, { apiserver, name });
      return new Kubelet({ machine, log, closes });
    } catch (error) {
      await closes.disposeAsync();
      throw error;
    }
  }

  /** Ends kubelet, containerd, and the machine with all containers, mounts and control groups. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#closes.disposeAsync();
  }
}

async function untilNodeReady(
  launched: Launched,
  node: { apiserver: Apiserver; name: string },
): Promise<void> {
  const { apiserver: { kubectl }, name } = node;
  const result = await until(async () => {
    if (!launched.running) return "ended";
    const status = await kubectl.run([
      ...["get", "node", name, "--ignore-not-found", "-o"],
      'jsonpath={.status.conditions[?(@.type=="Ready")].status}',
    ]);
    return status === "True" ? "ready" : undefined;
  }, {
    what: `Ready Node ${name}`,
    timeoutMs: 120_000,
    intervalMs: 500,
    detail: () => logTail(launched.log),
  });
  if (result === "ended") {
    throw new Error(
      `Cannot start the kubelet: it ended${await logTail(launched.log)}`,
    );
  }
}

/** Makes the kubelet's control group in each hierarchy; it makes those below. */
async function makeCgroups(group: string): Promise<void> {
  for await (const entry of Deno.readDir(CGROUPS)) {
    if (!entry.isDirectory || entry.name === "unified") continue;
    await Deno.mkdir(join(CGROUPS, entry.name, group), { recursive: true });
  }
  await copyCpuset(group);
}

/** A cpuset of version 1 is empty at first, and takes no process before it has cpus and mems. */
async function copyCpuset(group: string): Promise<void> {
  let folder = join(CGROUPS, "cpuset");
  if (!await Deno.stat(folder).catch(() => undefined)) return;
  for (const part of group.split("/").filter(Boolean)) {
    const below = join(folder, part);
    for (const file of ["cpuset.cpus", "cpuset.mems"]) {
      const inherited = await Deno.readTextFile(join(folder, file));
      await Deno.writeTextFile(join(below, file), inherited);
    }
    folder = below;
  }
}

async function flagsOf(
  machine: Machine,
  options: KubeletOptions,
): Promise<string[]> {
  const { apiserver, name, labels = {} } = options;
  const folder = join(machine.folder, "kubelet");
  await Deno.mkdir(folder, { recursive: true });
  const pair = await makeCertificate(folder, apiserver.keys.servers, {
    name: "serving",
    commonName: `system:node:${name}`,
    organizations: ["system:nodes"],
    names: [`IP:${machine.address}`],
  });
  const kubeconfig = await nodeKubeconfig(folder, options);
  const config = join(folder, "config.json");
  await Deno.writeTextFile(
    config,
    JSON.stringify({
      ...settingsOf(machine, options),
      tlsCertFile: pair.cert,
      tlsPrivateKeyFile: pair.key,
    }),
  );
  return [
    `--config=${config}`,
    `--kubeconfig=${kubeconfig}`,
    `--hostname-override=${name}`,
    `--node-ip=${machine.address}`,
    `--node-labels=${
      Object.entries(labels).map(([key, value]) => `${key}=${value}`).join()
    }`,
    "--v=2",
  ];
}

/** Writes a kubeconfig for the Node, with the API server's address in the world's network. */
async function nodeKubeconfig(
  folder: string,
  { apiserver, name }: KubeletOptions,
): Promise<string> {
  const url = new URL(apiserver.url);
  url.hostname = apiserver.machine.address;
  return await writeKubeconfig({
    path: join(folder, "kubeconfig"),
    url: url.origin,
    authority: apiserver.keys.servers.cert,
    client: await makeCertificate(folder, apiserver.keys.clients, {
      name: "client",
      commonName: `system:node:${name}`,
      organizations: ["system:nodes"],
    }),
  });
}

/** Returns a KubeletConfiguration (kubelet.config.k8s.io/v1beta1) without certificates. */
function settingsOf(
  machine: Machine,
  { apiserver, dns }: KubeletOptions,
): Record<string, unknown> {
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    address: machine.address,
    port: PORT,
    healthzPort: 0,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: apiserver.keys.clients.cert },
    },
    authorization: { mode: "Webhook" },
    containerRuntimeEndpoint: `unix://${CONTAINERD_SOCKET}`,
    failCgroupV1: false,
    cgroupDriver: "cgroupfs",
    cgroupRoot: machine.cgroup,
    failSwapOn: false,
    podLogsDir: "/var/lib/kubelet-logs",
    clusterDNS: [dns.server],
    clusterDomain: dns.domain,
    evictionHard: { "memory.available": "100Mi" },
    // 100 is the highest value: images are never removed.
    imageGCHighThresholdPercent: 100,
    serializeImagePulls: false,
    // 0 would mean the client's default of 5 per second: Events would come minutes late.
    eventRecordQPS: 1000,
    eventBurst: 1000,
    syncFrequency: "10s",
    makeIPTablesUtilChains: false,
    shutdownGracePeriod: "0s",
  };
}
