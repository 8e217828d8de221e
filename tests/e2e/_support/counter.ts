// SPDX-License-Identifier: Apache-2.0
/**
 * A command that counts, and a reader of its numbers: shows lost, repeated and reordered output.
 */
import assert from "node:assert/strict";
import { until } from "../../../dev/base/wait.ts";
import {
  NAMESPACE,
  type RunningKubectl,
  type World,
} from "../../../dev/world/mod.ts";

/** Shell script that prints 1, 2, 3 and so on, ten numbers a second, for about 15 minutes. */
export const COUNTER_SCRIPT =
  "i=0; while [ $i -lt 9000 ]; do i=$((i+1)); echo $i; sleep 0.1; done";

/** Starts {@linkcode COUNTER_SCRIPT} with kubectl exec, in a pod or on the host of a device. */
export function execCounter(world: World, pod: string): CounterReader {
  return readCounter(world, "exec", pod, "--", "sh", "-c", COUNTER_SCRIPT);
}

/** Reads the numbers that a kubectl command prints. */
export function readCounter(world: World, ...args: string[]): CounterReader {
  return new CounterReader(world.kubectl.start(["-n", NAMESPACE, ...args]));
}

/** Reads numbers from a kubectl that runs. Disposing it kills kubectl. */
export class CounterReader implements AsyncDisposable {
  /** All numbers so far. */
  readonly numbers: number[] = [];
  readonly #running: RunningKubectl;
  readonly #done: Promise<void>;
  #errors = "";

  constructor(running: RunningKubectl) {
    this.#running = running;
    this.#done = Promise.all([this.#readNumbers(), this.#readErrors()])
      .then(() => {});
  }

  /** Waits for this many further numbers. */
  async untilMore(count: number): Promise<void> {
    const wanted = this.numbers.length + count;
    await until(() => this.numbers.length >= wanted, {
      what: `${count} more numbers`,
      timeoutMs: 60_000,
      detail: () => this.#errors,
    });
  }

  /** Fails unless each number is the one before plus 1. */
  assertContiguous(): void {
    const [first = 1] = this.numbers;
    assert.deepEqual(
      this.numbers,
      this.numbers.map((_, index) => first + index),
    );
  }

  /**
   * Waits until kubectl continues or ends, and fails unless its numbers are contiguous. When it
   * ends, it must fail with a message. With `mayEndSilently` it may also end without: when the
   * operator is killed, the API server reports the closed connection as success.
   */
  async assertContinuesOrFails(
    options: { mayEndSilently?: boolean } = {},
  ): Promise<void> {
    const last = this.numbers.at(-1) ?? 0;
    let ended: Deno.CommandStatus | undefined;
    this.#running.child.status.then((status) => ended = status);
    await until(() => ended || (this.numbers.at(-1) ?? 0) > last + 20, {
      what: "a kubectl that continues or ends",
      timeoutMs: 90_000,
    });
    if (ended) await this.#done;
    if (ended && !options.mayEndSilently) {
      assert.ok(!ended.success, "kubectl ended with success");
      assert.notEqual(this.#errors.trim(), "", "kubectl ended silently");
    }
    assert.equal(this.numbers[0], 1);
    this.assertContiguous();
  }

  async #readNumbers(): Promise<void> {
    let rest = "";
    const { stdout } = this.#running.child;
    for await (const text of stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      this.numbers.push(...lines.map(Number));
    }
  }

  async #readErrors(): Promise<void> {
    const { stderr } = this.#running.child;
    for await (const text of stderr.pipeThrough(new TextDecoderStream())) {
      this.#errors += text;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running[Symbol.asyncDispose]();
    await this.#done.catch(() => {});
  }
}
