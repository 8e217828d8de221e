// SPDX-License-Identifier: Apache-2.0
/** The operator as users run it: with its permission set and the rights that manifests/ grants. */
import type { Apiserver } from "./apiserver.ts";
import { untilEdgeDevicesServed } from "./definition.ts";
import { get } from "./http.ts";
import { writeKubeconfig } from "./kubeconfig.ts";
import { type Launched, untilReady } from "./launch.ts";
import type { Machine } from "./machine.ts";
import { join, ROOT } from "../base/paths.ts";

const MAIN = join(ROOT, "main.ts");

/** Namespace of the operator and its devices, as manifests/ creates it. */
export const NAMESPACE = "aranya";
const ACCOUNT = "aranya";
/** As in manifests/operator.yaml. */
const MEMORY_FLAGS = { DENO_V8_FLAGS: "--optimize-for-size" };
/** Longer than any test or benchmark. */
const TOKEN_DURATION = "24h";

/** Options of {@linkcode Operator.start}. */
export interface OperatorLaunchOptions {
  apiserver: Apiserver;
  /**
   * The host that it runs on; another one reaches the API server only when that listens on its
   * machine's address.
   * @default the API server's machine
   */
  machine?: Machine;
  /** Name of the process and its log. @default "operator" */
  name?: string;
  /** Namespace of its EdgeDevices. @default {@linkcode NAMESPACE} */
  namespace?: string;
  /** Path of a kubeconfig. @default one with a token of the service account of manifests/ */
  kubeconfig?: string;
  /** More flags. */
  flags?: string[];
  /** Port for devices; the same for operators that replace each other. @default a free one */
  grpcPort?: number;
  /** Whether to wait until it answers. @default true */
  waits?: boolean;
}

/** A running operator. */
export class Operator implements AsyncDisposable {
  readonly apiserver: Apiserver;
  /** The host that it runs on. */
  readonly machine: Machine;
  readonly grpcPort: number;
  /** Port of `/healthz`, `/readyz`, `/metrics`. */
  readonly httpPort: number;
  readonly log: string;
  readonly #name: string;
  readonly #args: string[];
  #program: Launched | undefined;

  private constructor(
    options: {
      apiserver: Apiserver;
      machine: Machine;
      grpcPort: number;
      httpPort: number;
      name: string;
      args: string[];
    },
  ) {
    this.apiserver = options.apiserver;
    this.machine = options.machine;
    this.grpcPort = options.grpcPort;
    this.httpPort = options.httpPort;
    this.#name = options.name;
    this.#args = options.args;
    this.log = join(options.apiserver.logs, `${options.name}.log`);
  }

  /** Applies manifests/cluster, starts the operator and waits until it answers. */
  static async start(options: OperatorLaunchOptions): Promise<Operator> {
    const { apiserver, name = "operator", flags = [], waits = true } = options;
    const { namespace = NAMESPACE } = options;
    const { machine = apiserver.machine } = options;
    await installManifests(apiserver);
    const grpcPort = options.grpcPort ?? await machine.freePort();
    const httpPort = await machine.freePort();
    const kubeconfig = options.kubeconfig ??
      await accountKubeconfig(apiserver, machine);
    const args = [
      ...["--mode", "operator", "--kubeconfig", kubeconfig],
      ...["--namespace", namespace, "--host-address", machine.address],
      ...["--grpc-port", `${grpcPort}`, "--http-port", `${httpPort}`],
      ...flags,
    ];
    const operator = new Operator({
      apiserver,
      machine,
      grpcPort,
      httpPort,
      name,
      args,
    });
    await operator.restart({ waits });
    return operator;
  }

  /** Its process; undefined before the first start. */
  get program(): Launched | undefined {
    return this.#program;
  }

  /** Kills it with SIGKILL. */
  async crash(): Promise<void> {
    this.#program?.kill("SIGKILL");
    await this.#program?.exited;
  }

  /** Stops it with SIGTERM, if it runs, and starts it. */
  async restart(options: { waits?: boolean } = {}): Promise<void> {
    await this.stop();
    this.#program = await this.machine.launch(Deno.execPath(), {
      name: this.#name,
      args: ["run", "-P=operator", "--no-prompt", MAIN, ...this.#args],
      env: { NO_COLOR: "1", ...MEMORY_FLAGS },
      log: this.log,
      graceMs: 10_000,
    });
    if (options.waits === false) return;
    await untilReady(
      this.#program,
      async () => (await this.get("/healthz")).startsWith("ok"),
      { what: `an answering ${this.#name}`, timeoutMs: 60_000 },
    ).catch(async (error) => {
      await this.stop();
      throw error;
    });
  }

  /** Sends SIGTERM and returns the exit code. */
  async stop(): Promise<number | undefined> {
    return await this.#program?.stop();
  }

  /** Returns the body of a page of its HTTP port, or "" without a response. */
  get(path: string): Promise<string> {
    const { machine } = this;
    return get(machine, `http://${machine.address}:${this.httpPort}${path}`);
  }

  /** Returns its resident memory in bytes. */
  async residentBytes(): Promise<number> {
    const status = await Deno.readTextFile(
      `/proc/${this.#program?.pid}/status`,
    );
    return Number(status.match(/VmRSS:\s+(\d+)/)?.[1] ?? 0) * 1024;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Applies namespace, definition and rights, and waits until the API server serves EdgeDevices. */
export async function installManifests(apiserver: Apiserver): Promise<void> {
  const { kubectl } = apiserver;
  await kubectl.run(["apply", "-k", join(ROOT, "manifests/cluster")]);
  await untilEdgeDevicesServed(kubectl);
}

/** Writes a kubeconfig with a token of the operator's service account. */
async function accountKubeconfig(
  apiserver: Apiserver,
  machine: Machine,
): Promise<string> {
  const token = await apiserver.kubectl.run([
    ...["create", "token", ACCOUNT, "--namespace", NAMESPACE],
    `--duration=${TOKEN_DURATION}`,
  ]);
  return await writeKubeconfig({
    path: join(machine.folder, "operator.kubeconfig"),
    url: machine === apiserver.machine ? apiserver.url : apiserver.outerUrl,
    authority: apiserver.keys.servers.cert,
    token: token.trim(),
    namespace: NAMESPACE,
  });
}
