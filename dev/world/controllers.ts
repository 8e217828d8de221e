// SPDX-License-Identifier: Apache-2.0
/** kube-controller-manager and kube-scheduler. */
import type { Apiserver } from "./apiserver.ts";
import { kubernetesProgram } from "../build/binaries.ts";
import { type Launched, untilReady } from "./launch.ts";
import { join } from "../base/paths.ts";
import { get } from "./http.ts";

/** Options of {@linkcode ControllerManager.start}. */
export interface ControllerManagerOptions {
  /** Its API server; must be ready. */
  apiserver: Apiserver;
  /**
   * Requests per second of its client, which bounds the certificate signer.
   * @default Kubernetes' own 20
   */
  requestsPerSecond?: number;
  /** More flags. */
  flags?: string[];
}

/**
 * A running kube-controller-manager. It signs with the CA that the API server trusts for kubelets.
 */
export class ControllerManager implements AsyncDisposable {
  readonly #launch: () => Promise<Launched>;
  #program: Launched | undefined;

  private constructor(launch: () => Promise<Launched>) {
    this.#launch = launch;
  }

  /** Starts it and waits until it is healthy. */
  static async start(
    options: ControllerManagerOptions,
  ): Promise<ControllerManager> {
    const { apiserver, requestsPerSecond, flags = [] } = options;
    const { keys } = apiserver;
    const signers = {
      "kubelet-serving": keys.servers,
      "legacy-unknown": keys.servers,
      "kubelet-client": keys.clients,
      "kube-apiserver-client": keys.clients,
    };
    const args = [
      "--use-service-account-credentials=true",
      `--root-ca-file=${keys.servers.cert}`,
      `--service-account-private-key-file=${keys.tokens}`,
      ...Object.entries(signers).flatMap(([name, pair]) => [
        `--cluster-signing-${name}-cert-file=${pair.cert}`,
        `--cluster-signing-${name}-key-file=${pair.key}`,
      ]),
      ...requestsPerSecond === undefined ? [] : [
        `--kube-api-qps=${requestsPerSecond}`,
        `--kube-api-burst=${requestsPerSecond}`,
      ],
      ...flags,
    ];
    const manager = new ControllerManager(() =>
      startComponent(apiserver, "kube-controller-manager", args)
    );
    await manager.restart();
    return manager;
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

  /** Starts it, after killing it if it runs, and waits until it is healthy. */
  async restart(): Promise<void> {
    await this.crash();
    this.#program = await this.#launch();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program?.stop();
  }
}

/** A running kube-scheduler. */
export class Scheduler implements AsyncDisposable {
  readonly program: Launched;

  private constructor(program: Launched) {
    this.program = program;
  }

  /** Starts it and waits until it is healthy. */
  static async start(options: { apiserver: Apiserver }): Promise<Scheduler> {
    return new Scheduler(
      await startComponent(options.apiserver, "kube-scheduler", []),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program.stop();
  }
}

async function startComponent(
  apiserver: Apiserver,
  name: string,
  flags: string[],
): Promise<Launched> {
  const { machine, logs } = apiserver;
  const kubeconfig = await apiserver.makeUser({ name: `system:${name}` });
  const port = await machine.freePort();
  const program = await machine.launch(await kubernetesProgram(name), {
    name,
    log: join(logs, `${name}.log`),
    graceMs: 0,
    args: [
      `--kubeconfig=${kubeconfig}`,
      `--authentication-kubeconfig=${kubeconfig}`,
      `--authorization-kubeconfig=${kubeconfig}`,
      "--bind-address=127.0.0.1",
      `--secure-port=${port}`,
      `--cert-dir=${join(machine.folder, name)}`,
      "--leader-elect=false",
      "--profiling=false",
      ...flags,
    ],
  });
  try {
    await untilReady(
      program,
      async () =>
        await get(machine, `https://127.0.0.1:${port}/healthz`) === "ok",
      { what: `a healthy ${name}`, timeoutMs: 60_000 },
    );
    return program;
  } catch (error) {
    await program[Symbol.asyncDispose]();
    throw error;
  }
}
