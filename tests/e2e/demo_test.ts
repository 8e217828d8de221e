// SPDX-License-Identifier: Apache-2.0
/** The demo as the README shows it. */
import assert from "node:assert/strict";
import { join, ROOT } from "../../dev/base/paths.ts";
import { tryRun } from "../../dev/base/run.ts";
import { until } from "../../dev/base/wait.ts";
import { scenario } from "./_support/scenario.ts";

/** A demo that runs, and its output so far. */
class RunningDemo implements AsyncDisposable {
  output = "";
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>;

  constructor(...args: string[]) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", join(ROOT, "dev/demo.ts"), ...args],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#reading = this.#read();
  }

  /** Resolves with the exit code. */
  get exited(): Promise<number> {
    return this.#child.status.then(({ code }) => code);
  }

  async untilPrinted(text: string): Promise<void> {
    await until(() => this.output.includes(text), {
      what: `a demo that prints "${text}"`,
      timeoutMs: 200_000,
      detail: () => this.output,
    });
  }

  interrupt(): void {
    this.#child.kill("SIGINT");
  }

  /** Folders, mounts and control groups of the demo's world. */
  async remains(): Promise<string[]> {
    const mark = `aranya-${this.#child.pid}-`;
    const found: string[] = [];
    for await (const entry of Deno.readDir("/var/tmp")) {
      if (entry.name.startsWith(mark)) found.push(entry.name);
    }
    const mounts = await Deno.readTextFile("/proc/self/mounts");
    found.push(...mounts.split("\n").filter((line) => line.includes(mark)));
    const groups = await tryRun("find", {
      args: ["/sys/fs/cgroup", "-maxdepth", "2", "-name", `${mark}*`],
    });
    return [...found, ...groups.stdout.split("\n").filter(Boolean)];
  }

  async #read(): Promise<void> {
    const { stdout } = this.#child;
    for await (const part of stdout.pipeThrough(new TextDecoderStream())) {
      this.output += part;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      // It has ended.
      if (!(error instanceof TypeError)) throw error;
    }
    await this.#child.status;
    await this.#reading;
  }
}

scenario(
  "the demo shows its tour, exits with 0 after --once and leaves nothing",
  async () => {
    await using demo = new RunningDemo("--once");
    assert.equal(await demo.exited, 0, demo.output);
    for (
      const shown of [
        "get nodes",
        "exec edge-1",
        "rollout status",
        "hello from the edge",
      ]
    ) {
      assert.ok(
        demo.output.includes(shown),
        `"${shown}" is not in the tour:\n${demo.output}`,
      );
    }
    assert.deepEqual(await demo.remains(), []);
  },
);

scenario(
  "the demo exits with 0 and leaves nothing when it is interrupted after the tour",
  async () => {
    await using demo = new RunningDemo();
    await demo.untilPrinted("The cluster runs until Ctrl-C");
    demo.interrupt();
    assert.equal(await demo.exited, 0);
    assert.deepEqual(await demo.remains(), []);
  },
);

scenario(
  "the demo exits with 130 and leaves nothing when it is interrupted while it starts",
  async () => {
    await using demo = new RunningDemo();
    await demo.untilPrinted("aranya demo:");
    await until(async () => (await demo.remains()).length > 0, {
      what: "a folder of the demo's world",
    });
    demo.interrupt();
    assert.equal(await demo.exited, 130);
    assert.deepEqual(await demo.remains(), []);
  },
);
