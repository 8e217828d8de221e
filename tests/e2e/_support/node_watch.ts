// SPDX-License-Identifier: Apache-2.0
/** A watch that notes each state of the Nodes' condition Ready. */
import assert from "node:assert/strict";
import { pause } from "../../../dev/base/wait.ts";
import type { RunningKubectl, World } from "../../../dev/world/mod.ts";

/** One line for each Node and change: name=status. */
const COLUMNS =
  'jsonpath={.metadata.name}={.status.conditions[?(@.type=="Ready")].status}{"\\n"}';
/** Pause before the watch is started again, while there is no API server. */
const RETRY_MS = 200;

/**
 * Notes each state of each Node's condition Ready, also over an outage of the API server: after it
 * the watch is started again, and begins with the present states. Disposing it ends the watch.
 */
export class NodeWatch implements AsyncDisposable {
  readonly #world: World;
  readonly #stopped = new AbortController();
  readonly #reading: Promise<void>;
  #running: RunningKubectl | undefined;
  #text = "";

  constructor(world: World) {
    this.#world = world;
    this.#reading = this.#read();
  }

  /** Each state that was seen, as "name=True". */
  get states(): string[] {
    return this.#text.split("\n").filter((line) => line !== "");
  }

  /** Fails unless each Node was seen, and was Ready in each state. */
  assertAlwaysReady(): void {
    const { states } = this;
    for (const name of this.#world.devices.keys()) {
      assert.ok(states.includes(`${name}=True`), `${name}: ${states}`);
    }
    assert.deepEqual(states.filter((line) => !line.endsWith("=True")), []);
  }

  async #read(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await using running = this.#world.kubectl.start(
        ["get", "nodes", "--watch", "-o", COLUMNS],
      );
      this.#running = running;
      const errors = new Response(running.child.stderr).text();
      const { stdout } = running.child;
      for await (const text of stdout.pipeThrough(new TextDecoderStream())) {
        this.#text += text;
      }
      await errors;
      await pause(RETRY_MS, signal).catch(() => {});
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort();
    await this.#running?.[Symbol.asyncDispose]();
    await this.#reading;
  }
}
