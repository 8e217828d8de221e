// SPDX-License-Identifier: Apache-2.0
/**
 * What the suite attacks: an operator in a process of its own, with a real API server, and honest
 * devices that use it all along.
 */
import {
  type AgentConfig,
  parseAgentConfig,
} from "../../../lib/shared/config/mod.ts";
import { until } from "../../../dev/base/wait.ts";
import { join } from "../../../dev/base/paths.ts";
import {
  type Apiserver,
  ControlPlane,
  edgeDevice,
  logTail,
  NAMESPACE,
  Network,
  Operator,
  stillLaunched,
} from "../../../dev/world/mod.ts";
import { HonestSide } from "./honest.ts";

/** Names of the honest devices that stay connected. */
export const HONEST: readonly string[] = Array.from(
  { length: 20 },
  (_, index) => `edge-${index + 1}`,
);
const RECONNECTING = "edge-reconnecting";
/** Options of {@linkcode Target.start}. */
export interface TargetOptions {
  /** Number of devices whose credentials an attacker has. @default 1 */
  compromisedCount?: number;
}

/** 40 s of silence end a link, as by default. */
const SPEC = { connectivity: { method: "grpc" } };
const IDLE_SAMPLE_COUNT = 20;

/** Where the operator listens, and what it needs without an attack. */
export class Target implements AsyncDisposable {
  readonly apiserver: Apiserver;
  readonly operator: Operator;
  readonly honest: HonestSide;
  /** agent.yaml of each device whose credential an attacker has; at least one. */
  readonly compromised: readonly [AgentConfig, ...AgentConfig[]];
  /** The kubelet port of the first honest device. */
  readonly kubeletPort: number;
  /** Resident memory with all devices connected and in use, in bytes. */
  idleBytes = 0;
  /** Number of open sockets then. */
  idleSocketCount = 0;
  readonly #closes: AsyncDisposableStack;
  readonly #network: Network;

  private constructor(
    options: {
      apiserver: Apiserver;
      operator: Operator;
      honest: HonestSide;
      compromised: [AgentConfig, ...AgentConfig[]];
      kubeletPort: number;
      network: Network;
      closes: AsyncDisposableStack;
    },
  ) {
    this.apiserver = options.apiserver;
    this.operator = options.operator;
    this.honest = options.honest;
    this.compromised = options.compromised;
    this.kubeletPort = options.kubeletPort;
    this.#network = options.network;
    this.#closes = options.closes;
  }

  /** Starts everything and waits until all honest devices are connected and were used. */
  static async start(
    { compromisedCount = 1 }: TargetOptions = {},
  ): Promise<Target> {
    const closes = new AsyncDisposableStack();
    try {
      const network = closes.use(await Network.start({ isolated: false }));
      const { apiserver } = closes.use(await ControlPlane.start({ network }));
      const operator = closes.use(await Operator.start({ apiserver }));
      const compromised = nameCompromised(compromisedCount);
      const names = [...HONEST, RECONNECTING, ...compromised];
      await apiserver.kubectl.apply(
        names.map((name) => edgeDevice(name, SPEC)),
      );
      const configs = await readConfigs(operator, names);
      const toDevice = (name: string) => ({
        name,
        config: configs.get(name) ?? "",
      });
      const parse = (name: string) =>
        parseAgentConfig(configs.get(name) ?? "", { file: "/agent.yaml" });
      const [first = "", ...others] = compromised;
      const folder = join(network.folder, "honest");
      await Deno.mkdir(folder);
      const honest = closes.use(
        await HonestSide.start(apiserver.machine, {
          logs: apiserver.logs,
          config: {
            namespace: NAMESPACE,
            kubeconfig: apiserver.kubeconfig,
            folder,
            devices: HONEST.map(toDevice),
            reconnecting: toDevice(RECONNECTING),
          },
        }),
      );
      const target = new Target({
        apiserver,
        operator,
        honest,
        network,
        closes,
        compromised: [parse(first), ...others.map(parse)],
        kubeletPort: await readKubeletPort(apiserver, HONEST[0] ?? ""),
      });
      await target.#warmUp();
      return target;
    } catch (error) {
      await closes.disposeAsync();
      throw error;
    }
  }

  /** The operator's process id. */
  get pid(): number {
    return this.operator.program?.pid ?? 0;
  }

  /** Returns the number of the operator's open sockets. */
  async socketCount(): Promise<number> {
    let count = 0;
    for await (const { name } of Deno.readDir(`/proc/${this.pid}/fd`)) {
      const target = await Deno.readLink(`/proc/${this.pid}/fd/${name}`)
        .catch(() => "");
      if (target.startsWith("socket:")) count++;
    }
    return count;
  }

  /** Makes disposal keep the folder with the logs, whose path it returns. */
  keepLogs(): string {
    this.#network.keepFolder();
    return this.apiserver.logs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#closes.disposeAsync();
    const left = stillLaunched();
    if (left.length > 0) throw new Error(`still running: ${left}`);
  }

  /** Waits until every device was used in every way, and measures. */
  async #warmUp(): Promise<void> {
    const wanted = 3 * HONEST.length;
    await until(async () => {
      const served = new Set(
        (await this.honest.read()).flatMap((one) =>
          one.kind === "request" && one.error === undefined
            ? [`${one.device} ${one.call}`]
            : []
        ),
      );
      return served.size === wanted;
    }, {
      what: "use of all honest devices",
      timeoutMs: 110_000,
      detail: async () =>
        await this.honest.tail() + await logTail(this.operator.log),
    });
    const samples: number[] = [];
    await until(async () => {
      samples.push(await this.operator.residentBytes());
      return samples.length >= IDLE_SAMPLE_COUNT;
    }, { what: "samples of memory", intervalMs: 100 });
    this.idleBytes =
      samples.toSorted((left, right) => left - right)[IDLE_SAMPLE_COUNT / 2] ??
        0;
    this.idleSocketCount = await this.socketCount();
  }
}

function nameCompromised(count: number): string[] {
  return Array.from(
    { length: count },
    (_, index) => `compromised-${index + 1}`,
  );
}

async function readConfigs(
  operator: Operator,
  names: string[],
): Promise<Map<string, string>> {
  interface Secret extends Record<string, unknown> {
    metadata: { name: string };
    data?: Record<string, string>;
  }
  return await until(async () => {
    const secrets = await operator.apiserver.kubectl.list<Secret>([
      ...["-n", NAMESPACE, "secrets"],
    ]);
    const configs = new Map(secrets.flatMap(({ metadata, data }) => {
      const text = data?.["agent.yaml"];
      return text
        ? [[
          metadata.name.replace(/-agent$/, ""),
          new TextDecoder().decode(Uint8Array.fromBase64(text)),
        ]] as const
        : [];
    }));
    return names.every((name) => configs.has(name)) && configs;
  }, {
    what: "agent.yaml of all devices",
    timeoutMs: 60_000,
    detail: () => logTail(operator.log),
  });
}

async function readKubeletPort(
  apiserver: Apiserver,
  name: string,
): Promise<number> {
  interface Node extends Record<string, unknown> {
    status?: { daemonEndpoints?: { kubeletEndpoint?: { Port?: number } } };
  }
  return await until(async () => {
    const node = await apiserver.kubectl.find<Node>(["node", name]);
    return node?.status?.daemonEndpoints?.kubeletEndpoint?.Port;
  }, `kubelet port of ${name}`);
}
