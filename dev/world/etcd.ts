// SPDX-License-Identifier: Apache-2.0
/** etcd, with one member. */
import { etcdProgram } from "../build/binaries.ts";
import { get } from "./http.ts";
import { type Launched, untilReady } from "./launch.ts";
import type { Machine } from "./machine.ts";
import { join } from "../base/paths.ts";

/** Options of {@linkcode Etcd.start}. */
export interface EtcdOptions {
  /** Where it runs. */
  machine: Machine;
  /** Folder for its log. */
  logs: string;
}

/** A running etcd; its data is in the machine's folder. */
export class Etcd implements AsyncDisposable {
  /** `http://127.0.0.1:<port>`, on its machine. */
  readonly url: string;
  readonly program: Launched;

  private constructor(url: string, program: Launched) {
    this.url = url;
    this.program = program;
  }

  /** Starts it and waits until it is healthy. @throws {AranyaError} with the end of its log */
  static async start(options: EtcdOptions): Promise<Etcd> {
    const { machine, logs } = options;
    const [clients, peers] = [
      await machine.freePort(),
      await machine.freePort(),
    ];
    const url = `http://127.0.0.1:${clients}`;
    const peerUrl = `http://127.0.0.1:${peers}`;
    const log = join(logs, "etcd.log");
    const program = await machine.launch(await etcdProgram(), {
      name: "etcd",
      log,
      graceMs: 0,
      args: [
        `--data-dir=${join(machine.folder, "etcd")}`,
        `--listen-client-urls=${url}`,
        `--advertise-client-urls=${url}`,
        `--listen-peer-urls=${peerUrl}`,
        `--initial-advertise-peer-urls=${peerUrl}`,
        `--initial-cluster=default=${peerUrl}`,
        "--unsafe-no-fsync",
        "--log-level=warn",
      ],
    });
    const etcd = new Etcd(url, program);
    await untilReady(
      program,
      async () => (await get(machine, `${url}/health`)).includes("true"),
      { what: "a healthy etcd" },
    ).catch(async (error) => {
      await etcd[Symbol.asyncDispose]();
      throw error;
    });
    return etcd;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program.stop();
  }
}
