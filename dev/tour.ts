// SPDX-License-Identifier: Apache-2.0
/** The demo's guided tour: kubectl commands, each with its output. */
import { AranyaError } from "../lib/shared/base/mod.ts";
import { join } from "./base/paths.ts";
import { print } from "./base/terminal.ts";
import { until } from "./base/wait.ts";
import {
  IMAGES,
  NAMESPACE,
  type World,
  type WorldDevice,
} from "./world/mod.ts";

/** Options of {@linkcode Tour}. */
export interface TourOptions {
  world: World;
  device: WorldDevice;
  /** Ends the tour before its next part; the reason is thrown. */
  signal: AbortSignal;
}

/**
 * Shows the device as a Node, its host through the virtual pod, and a Deployment in its Docker
 * engine.
 */
export class Tour {
  readonly #world: World;
  readonly #device: WorldDevice;
  readonly #signal: AbortSignal;

  constructor(options: TourOptions) {
    this.#world = options.world;
    this.#device = options.device;
    this.#signal = options.signal;
  }

  /** Runs all parts. @throws {AranyaError} when a command fails */
  async run(): Promise<void> {
    await this.#showNode();
    this.#signal.throwIfAborted();
    await this.#showHost();
    this.#signal.throwIfAborted();
    if (this.#device.dockerd) await this.#showDeployment();
    else {
      print(
        `\nSkipped: containers on the device. ${this.#device.engineMissing}`,
      );
    }
    this.#signal.throwIfAborted();
  }

  async #showNode(): Promise<void> {
    this.#printTitle(
      "An EdgeDevice was applied and its agent is connected: the device is a Node of the cluster.",
    );
    await this.#kubectl("get", "edgedevices");
    await this.#kubectl("get", "nodes", "-o", "wide");
    await this.#kubectl("get", "pods,services,secrets");
  }

  async #showHost(): Promise<void> {
    const { name } = this.#device;
    this.#printTitle(
      "The virtual pod stands for the device's host. There is no ssh, and the device can't reach the API server.",
    );
    await this.#kubectl(
      "exec",
      name,
      "--",
      "sh",
      "-c",
      "hostname; uname -srm; id -un",
    );
    await this.#kubectl("exec", name, "--", "sh", "-c", "exit 7");
    const here = join(this.#world.network.folder, "greeting.txt");
    await Deno.writeTextFile(here, "hello from the cluster\n");
    await this.#kubectl("cp", here, `${name}:/tmp/aranya-greeting.txt`);
    await this.#kubectl("exec", name, "--", "cat", "/tmp/aranya-greeting.txt");
    await this.#kubectl("exec", name, "--", "rm", "/tmp/aranya-greeting.txt");
  }

  async #showDeployment(): Promise<void> {
    this.#printTitle(
      "A Deployment with a ConfigMap runs in the device's Docker engine.",
    );
    await this.#kubectl(
      "create",
      "configmap",
      "words",
      "--from-literal=word=edge",
    );
    const file = join(this.#world.network.folder, "hello.json");
    await Deno.writeTextFile(
      file,
      JSON.stringify(deployment(this.#device.name), undefined, 2),
    );
    await this.#kubectl("apply", "-f", file);
    await this.#kubectl(
      "rollout",
      "status",
      "deployment/hello",
      "--timeout=60s",
    );
    await this.#kubectl("get", "pods", "-o", "wide");
    await until(
      async () =>
        (await this.#world.run("logs", "deployment/hello")).trim() !== "",
      { what: "a line in the Deployment's log" },
    );
    await this.#kubectl("logs", "deployment/hello");
    await this.#kubectl(
      "exec",
      "deployment/hello",
      "--",
      "sh",
      "-c",
      "hostname; ps",
    );
    await this.#kubectl("delete", "deployment/hello", "--cascade=foreground");
    await this.#kubectl("delete", "configmap", "words");
    await until(
      async () =>
        !(await this.#world.run("get", "pods", "-l", "app=hello", "-o", "name"))
          .trim(),
      { what: "the end of the Deployment's pods", timeoutMs: 60_000 },
    );
    await this.#kubectl("get", "pods");
  }

  #printTitle(text: string): void {
    print(`\n── ${text}`);
  }

  /** Prints a command, runs it and prints its output. */
  async #kubectl(...args: string[]): Promise<void> {
    print(`\n$ kubectl -n ${NAMESPACE} ${args.map(quote).join(" ")}`);
    const result = await this.#world.kubectl.tryRun(["-n", NAMESPACE, ...args]);
    const output = (result.stdout + result.stderr).trimEnd();
    if (output) print(output);
    const expected = args.at(-1) === "exit 7" ? 7 : 0;
    if (result.code !== expected) {
      throw new AranyaError(
        "internal",
        `Cannot continue the tour: the command exited with ${result.code}, expected ${expected}`,
      );
    }
    if (expected !== 0) print(`(exit code ${result.code})`);
  }
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word)
    ? word
    : `'${word.replaceAll("'", `'\\''`)}'`;
}

function deployment(device: string): object {
  const labels = { app: "hello" };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "hello", namespace: NAMESPACE },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          nodeSelector: { "arhat.dev/name": device },
          tolerations: [{ key: "arhat.dev/namespace", operator: "Exists" }],
          terminationGracePeriodSeconds: 2,
          containers: [{
            name: "hello",
            image: IMAGES.busybox,
            command: [
              "sh",
              "-c",
              'echo "hello from the $WORD on $NODE"; exec sleep 3600',
            ],
            env: [
              {
                name: "WORD",
                valueFrom: { configMapKeyRef: { name: "words", key: "word" } },
              },
              {
                name: "NODE",
                valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } },
              },
            ],
          }],
        },
      },
    },
  };
}
