// SPDX-License-Identifier: Apache-2.0
/**
 * The complete test world: control plane, operator, and devices, each with an engine and an agent.
 */
import { AranyaError, defined } from "../../lib/shared/base/mod.ts";
import { Agent } from "./agent.ts";
import { Dockerd } from "./dockerd.ts";
import { ControlPlane, type ControlPlaneOptions } from "./control_plane.ts";
import type { Kubectl } from "./kubectl.ts";
import { logTail } from "./launch.ts";
import type { Machine } from "./machine.ts";
import { Network } from "./network.ts";
import { NAMESPACE, Operator } from "./operator.ts";
import { join } from "../base/paths.ts";
import { until } from "../base/wait.ts";

/** Options of {@linkcode World.start}. */
export interface WorldOptions extends ControlPlaneOptions {
  /** Names of devices that are added at the start. @default [] */
  devices?: string[];
  /** More flags of the operator. */
  operatorFlags?: string[];
  /**
   * Names of hosts of their own, with an operator each. @default one operator on the control
   * plane's machine
   */
  operatorHosts?: string[];
  /** Default of {@linkcode DeviceOptions.engine}. @default "required" */
  engine?: DeviceOptions["engine"];
}

/** Options of {@linkcode World.addDevice}. */
export interface DeviceOptions {
  /** `spec` of its EdgeDevice. @default gRPC, offline after 10 s */
  spec?: Record<string, unknown>;
  /**
   * "required" fails when no engine can run; "optional" continues without one.
   * @default "required"
   */
  engine?: "required" | "optional" | "none";
  /** Size of a disk of its own for the engine. @default that of this machine */
  diskMebibytes?: number;
  /** Returns the agent.yaml to use instead of the operator's. */
  edit?: (config: string) => string;
}

/** One device of the world. */
export interface WorldDevice {
  name: string;
  machine: Machine;
  agent: Agent;
  /** Its engine; when absent, `engineMissing` has the reason. */
  dockerd?: Dockerd;
  engineMissing?: string;
}

const SPEC = {
  connectivity: { method: "grpc", timers: { offlineAfter: "10s" } },
};

/** A running world. Disposing it ends all its programs and removes its files. */
export class World implements AsyncDisposable {
  readonly network: Network;
  readonly controlPlane: ControlPlane;
  /** All operators, in the order of their hosts. */
  readonly operators: readonly Operator[];
  readonly devices = new Map<string, WorldDevice>();
  readonly #closes: AsyncDisposableStack;
  readonly #engine: DeviceOptions["engine"];

  private constructor(
    options: {
      network: Network;
      controlPlane: ControlPlane;
      operators: readonly Operator[];
      closes: AsyncDisposableStack;
      engine: DeviceOptions["engine"];
    },
  ) {
    this.network = options.network;
    this.controlPlane = options.controlPlane;
    this.operators = options.operators;
    this.#closes = options.closes;
    this.#engine = options.engine;
  }

  /** Starts everything and waits until the devices are Ready. */
  static async start(options: WorldOptions = {}): Promise<World> {
    const closes = new AsyncDisposableStack();
    try {
      const network = options.network ?? closes.use(await Network.start());
      const { operatorHosts } = options;
      const controlPlane = closes.use(
        await ControlPlane.start({
          isReachable: operatorHosts !== undefined,
          ...options,
          network,
        }),
      );
      const { apiserver } = controlPlane;
      const flags = ["--debug", ...options.operatorFlags ?? []];
      const operators: Operator[] = [];
      for (const name of operatorHosts ?? []) {
        const machine = await network.addDevice(name);
        operators.push(
          closes.use(
            await Operator.start({
              apiserver,
              machine,
              name: `operator-${name}`,
              flags,
            }),
          ),
        );
      }
      if (operators.length === 0) {
        operators.push(closes.use(await Operator.start({ apiserver, flags })));
      }
      const world = new World({
        network,
        controlPlane,
        operators,
        closes,
        engine: options.engine,
      });
      const names = options.devices ?? [];
      await Promise.all(names.map((name) => world.addDevice(name)));
      for (const name of names) await world.untilNodeReady(name);
      return world;
    } catch (error) {
      await closes.disposeAsync();
      throw error;
    }
  }

  /** The first operator. */
  get operator(): Operator {
    const [operator] = this.operators;
    if (operator) return operator;
    throw new AranyaError("internal", "Cannot use the operator: there is none");
  }

  /** kubectl as the administrator. */
  get kubectl(): Kubectl {
    return this.controlPlane.kubectl;
  }

  /**
   * Runs kubectl in the operator's namespace and returns its output.
   * @throws {AranyaError} unless it exits 0
   */
  run(...args: string[]): Promise<string> {
    return this.kubectl.run(["-n", NAMESPACE, ...args]);
  }

  /**
   * Applies an EdgeDevice, makes its machine with an engine, and starts an agent with the
   * operator's agent.yaml.
   */
  async addDevice(
    name: string,
    options: DeviceOptions = {},
  ): Promise<WorldDevice> {
    const { spec = SPEC, edit = (config: string) => config } = options;
    const machine = await this.network.addDevice(name);
    const [engine] = await Promise.all([
      this.#startEngine(machine, {
        engine: options.engine ?? this.#engine ?? "required",
        ...defined({ diskMebibytes: options.diskMebibytes }),
      }),
      this.kubectl.apply(edgeDevice(name, spec)),
    ]);
    const config = edit(
      adapt(await this.agentConfig(name), { machine, engine }),
    );
    const agent = this.#closes.use(
      await Agent.start({
        machine,
        config,
        logs: join(this.network.folder, "logs"),
      }),
    );
    const device = { name, machine, agent, ...engine };
    this.devices.set(name, device);
    return device;
  }

  /** Returns the agent.yaml that the operator wrote for a device; waits for its Secret. */
  async agentConfig(name: string): Promise<string> {
    return await until(async () => {
      const secret = await this.kubectl.find<{ data?: Record<string, string> }>(
        ["-n", NAMESPACE, "secret", `${name}-agent`],
      );
      const text = secret?.data?.["agent.yaml"];
      return text && new TextDecoder().decode(Uint8Array.fromBase64(text));
    }, {
      what: `agent.yaml in Secret ${name}-agent`,
      detail: () => logTail(this.operator.log),
    });
  }

  /** Waits until the device's Node and virtual pod are Ready. */
  async untilNodeReady(name: string, timeoutMs = 60_000): Promise<void> {
    const logs = async () =>
      await logTail(this.operator.log) +
      await (this.devices.get(name)?.agent.logTail() ?? "");
    await until(async () =>
      await this.#condition("node", name) === "True" &&
      await this.#condition("pod", name) === "True", {
      what: `Ready Node and virtual pod of ${name}`,
      timeoutMs,
      detail: logs,
    });
  }

  async #condition(kind: string, name: string): Promise<string> {
    return await this.run(
      ...["get", kind, name, "--ignore-not-found", "-o"],
      'jsonpath={.status.conditions[?(@.type=="Ready")].status}',
    );
  }

  async #startEngine(
    machine: Machine,
    { engine, diskMebibytes }: Pick<DeviceOptions, "engine" | "diskMebibytes">,
  ): Promise<Pick<WorldDevice, "dockerd" | "engineMissing">> {
    if (engine === "none") return { engineMissing: "not requested" };
    try {
      const logs = join(this.network.folder, "logs");
      return {
        dockerd: this.#closes.use(
          await Dockerd.start({
            machine,
            logs,
            ...defined({ diskMebibytes }),
          }),
        ),
      };
    } catch (error) {
      if (
        engine === "optional" && error instanceof AranyaError &&
        error.code === "not_found"
      ) {
        return { engineMissing: error.message };
      }
      throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#closes.disposeAsync();
  }
}

/** Returns an EdgeDevice in the operator's namespace. */
export function edgeDevice(
  name: string,
  spec: Record<string, unknown> = SPEC,
): object {
  return {
    apiVersion: "aranya.arhat.dev/v1alpha1",
    kind: "EdgeDevice",
    metadata: { name, namespace: NAMESPACE },
    spec,
  };
}

/**
 * Returns the agent.yaml for this machine: state in the world's folder, and the engine that runs
 * here.
 */
function adapt(
  config: string,
  options: { machine: Machine; engine: Pick<WorldDevice, "dockerd"> },
): string {
  const { machine, engine } = options;
  if (machine.isIsolated) return config;
  const kept = config.split("\n").filter((line) =>
    !line.startsWith("stateDir:")
  ).join("\n");
  const docker = engine.dockerd && !/^runtime:/m.test(kept)
    ? `runtime: {docker: {host: "unix://${engine.dockerd.socket}"}}\n`
    : "";
  return `${kept.trimEnd()}\nstateDir: ${
    join(machine.folder, "state")
  }\n${docker}`;
}
