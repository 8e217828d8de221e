// SPDX-License-Identifier: Apache-2.0
/** kubectl, run in the control plane's network. */
import { kubernetesProgram } from "../build/binaries.ts";
import type { Machine } from "./machine.ts";
import { run, type RunOptions, type RunResult, tryRun } from "../base/run.ts";

/** A Kubernetes object as JSON. */
export type KubeObject = Record<string, unknown> & {
  apiVersion: string;
  kind: string;
  metadata: Record<string, unknown> & { name: string };
};

/** A kubectl in the background; the caller reads and closes its streams. */
export interface RunningKubectl extends AsyncDisposable {
  child: Deno.ChildProcess;
}

/** kubectl as one user. */
export class Kubectl {
  readonly machine: Machine;
  readonly kubeconfig: string;
  /** Path of the program. */
  readonly program: string;

  private constructor(
    program: string,
    options: { machine: Machine; kubeconfig: string },
  ) {
    this.program = program;
    this.machine = options.machine;
    this.kubeconfig = options.kubeconfig;
  }

  /** Finds or builds the program. */
  static async create(
    options: { machine: Machine; kubeconfig: string },
  ): Promise<Kubectl> {
    return new Kubectl(await kubernetesProgram("kubectl"), options);
  }

  /** Returns kubectl as another user of the same cluster. */
  as(kubeconfig: string): Kubectl {
    return new Kubectl(this.program, { machine: this.machine, kubeconfig });
  }

  /** Runs a command and returns its standard output. @throws {AranyaError} unless it exits 0 */
  run(args: string[], options: Omit<RunOptions, "args"> = {}): Promise<string> {
    const { program, rest } = this.#command(args);
    return run(program, { ...options, args: rest });
  }

  /** Runs a command, whatever its exit code. */
  tryRun(
    args: string[],
    options: Omit<RunOptions, "args"> = {},
  ): Promise<RunResult> {
    const { program, rest } = this.#command(args);
    return tryRun(program, { ...options, args: rest });
  }

  /** Returns one object, or undefined when there is none. */
  async find<T = KubeObject>(args: string[]): Promise<T | undefined> {
    const text = await this.run([
      "get",
      "-o",
      "json",
      "--ignore-not-found",
      ...args,
    ]);
    return text.trim() ? JSON.parse(text) as T : undefined;
  }

  /** Returns the items of a list. */
  async list<T = KubeObject>(args: string[]): Promise<T[]> {
    const list: { items?: T[] } = JSON.parse(
      await this.run(["get", "-o", "json", ...args]),
    );
    return list.items ?? [];
  }

  /** Applies objects, or the text of a manifest. */
  async apply(what: string | object | object[]): Promise<void> {
    const stdin = typeof what === "string" ? what : JSON.stringify(
      Array.isArray(what)
        ? { apiVersion: "v1", kind: "List", items: what }
        : what,
    );
    await this.run(["apply", "-f", "-"], { stdin });
  }

  /** Starts a command with pipes for all three streams; disposing kills it. */
  start(args: string[]): RunningKubectl {
    const { program, rest } = this.#command(args);
    const child = new Deno.Command(program, {
      args: rest,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    return {
      child,
      [Symbol.asyncDispose]: () => end(child),
    };
  }

  #command(args: string[]): { program: string; rest: string[] } {
    const [program = "", ...rest] = this.machine.wrap([
      this.program,
      `--kubeconfig=${this.kubeconfig}`,
      ...args,
    ]);
    return { program, rest };
  }
}

async function end(child: Deno.ChildProcess): Promise<void> {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
  await child.status;
  for (const stream of [child.stdin, child.stdout, child.stderr]) {
    if (stream.locked) continue;
    await (stream instanceof WritableStream ? stream.close() : stream.cancel())
      .catch(() => {});
  }
}
