// SPDX-License-Identifier: Apache-2.0
/** The demo's guided tour: each kubectl command, then its real output. */
import { AranyaError } from "../lib/shared/base/mod.ts";
import { NAMESPACE } from "./world/operator.ts";
import { IMAGES } from "./world/images.ts";
import { join } from "./base/paths.ts";
import { print } from "./base/terminal.ts";
import { until } from "./base/wait.ts";
import type { Device, World } from "./world/world.ts";

/** Where the tour goes. */
export interface TourOptions {
  world: World;
  device: Device;
  /** Ends it before the next step. */
  isEnded: () => boolean;
}

/** One walk over everything that works. */
export class Tour {
  readonly #world: World;
  readonly #device: Device;
  readonly #isEnded: () => boolean;

  constructor(options: TourOptions) {
    this.#world = options.world;
    this.#device = options.device;
    this.#isEnded = options.isEnded;
  }

  /** Goes through all stations. @throws {AranyaError} when a command fails */
  async run(): Promise<void> {
    const stations = [
      () => this.#node(),
      () => this.#host(),
      ...this.#device.dockerd ? [() => this.#deployment()] : [],
    ];
    for (const station of stations) {
      if (this.#isEnded()) return;
      await station();
    }
    if (this.#device.engineMissing) {
      print(
        `\nLeft out: containers on the device. ${this.#device.engineMissing}`,
      );
    }
  }

  async #node(): Promise<void> {
    this.#title(
      "An EdgeDevice was applied, its agent dialled in: it is a Node of the cluster.",
    );
    await this.#show("get", "edgedevices");
    await this.#show("get", "nodes", "-o", "wide");
    await this.#show("get", "pods,services,secrets");
  }

  async #host(): Promise<void> {
    const { name } = this.#device;
    this.#title(
      "The virtual pod is the device's host. No ssh, no way from the device to the API server.",
    );
    await this.#show(
      "exec",
      name,
      "--",
      "sh",
      "-c",
      "hostname; uname -srm; id -un",
    );
    await this.#show("exec", name, "--", "sh", "-c", "exit 7");
    const here = join(this.#world.network.folder, "greeting.txt");
    await Deno.writeTextFile(here, "hello from the cluster\n");
    await this.#show("cp", here, `${name}:/tmp/aranya-greeting.txt`);
    await this.#show("exec", name, "--", "cat", "/tmp/aranya-greeting.txt");
    await this.#show("exec", name, "--", "rm", "/tmp/aranya-greeting.txt");
  }

  async #deployment(): Promise<void> {
    this.#title(
      "A Deployment with a ConfigMap, in the device's own Docker engine.",
    );
    await this.#show(
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
    await this.#show("apply", "-f", file);
    await this.#show("rollout", "status", "deployment/hello", "--timeout=60s");
    await this.#show("get", "pods", "-o", "wide");
    await until(
      async () =>
        (await this.#world.run("logs", "deployment/hello")).trim() !== "",
      { what: "a line in the Deployment's log" },
    );
    await this.#show("logs", "deployment/hello");
    await this.#show(
      "exec",
      "deployment/hello",
      "--",
      "sh",
      "-c",
      "hostname; ps",
    );
    await this.#show("delete", "deployment/hello", "--cascade=foreground");
    await this.#show("delete", "configmap", "words");
    await until(
      async () =>
        !(await this.#world.run("get", "pods", "-l", "app=hello", "-o", "name"))
          .trim(),
      { what: "the end of the Deployment's pods", timeoutMs: 60_000 },
    );
    await this.#show("get", "pods");
  }

  #title(text: string): void {
    print(`\n── ${text}`);
  }

  async #show(...args: string[]): Promise<void> {
    print(`\n$ kubectl -n ${NAMESPACE} ${args.map(quote).join(" ")}`);
    const result = await this.#world.kubectl.tryRun(["-n", NAMESPACE, ...args]);
    const output = (result.stdout + result.stderr).trimEnd();
    if (output) print(output);
    const expected = args.at(-1) === "exit 7" ? 7 : 0;
    if (result.code !== expected) {
      throw new AranyaError(
        "internal",
        `Cannot go on with the tour: that command ended with ${result.code}, expected ${expected}`,
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
