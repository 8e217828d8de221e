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
  /** All lines that are no numbers. */
  readonly texts: string[] = [];
  readonly #running: RunningKubectl;
  readonly #done: Promise<void>;
  #errors = "";
  #ended: Deno.CommandStatus | undefined;

  constructor(running: RunningKubectl) {
    this.#running = running;
    running.child.status.then((status) => this.#ended = status);
    this.#done = Promise.all([this.#readNumbers(), this.#readErrors()])
      .then(() => {});
  }

  /** What kubectl has written to standard error so far. */
  get errors(): string {
    return this.#errors;
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

  /** Fails unless each number is the one before plus 1, and there is nothing else. */
  assertContiguous(): void {
    assert.deepEqual(this.texts, []);
    this.#assertSteps();
  }

  #assertSteps(): void {
    const [first = 1] = this.numbers;
    assert.deepEqual(
      this.numbers,
      this.numbers.map((_, index) => first + index),
    );
  }

  /**
   * Waits until kubectl continues or ends, and fails unless its numbers are contiguous. When it
   * ends, it must fail with a message.
   */
  async assertContinuesOrFails(): Promise<void> {
    const last = this.numbers.at(-1) ?? 0;
    await until(() => this.#ended || (this.numbers.at(-1) ?? 0) > last + 20, {
      what: "a kubectl that continues or ends",
      timeoutMs: 90_000,
    });
    if (this.#ended) await this.untilFailed();
    this.assertFromStart();
  }

  /** Waits until kubectl fails with a message, and returns that. */
  async untilFailed(): Promise<string> {
    const { success } = await this.untilEnded();
    assert.ok(!success, "kubectl ended with success");
    assert.notEqual(this.#errors.trim(), "", "kubectl ended silently");
    return this.#errors.trim();
  }

  /** Waits until kubectl ends, however. */
  async untilEnded(): Promise<Deno.CommandStatus> {
    const ended = await until(() => this.#ended, {
      what: "the end of kubectl",
      timeoutMs: 90_000,
    });
    await this.#done;
    return ended;
  }

  /** Fails unless the numbers are contiguous and begin with 1. */
  assertFromStart(): void {
    assert.equal(this.numbers[0], 1);
    this.assertContiguous();
  }

  /** Fails unless the numbers are contiguous, begin with 1, and a message follows them. */
  assertEndsWithMessage(): void {
    assert.equal(this.numbers[0], 1);
    this.#assertSteps();
    assert.equal(this.texts.filter((line) => line !== "").length, 1);
  }

  async #readNumbers(): Promise<void> {
    let rest = "";
    const { stdout } = this.#running.child;
    for await (const text of stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      this.#addLines(lines);
    }
    // Of a number, it may be the beginning only.
    if (/\D/.test(rest)) this.#addLines([rest]);
  }

  #addLines(lines: string[]): void {
    for (const line of lines) {
      if (/^\d+$/.test(line) && this.texts.length === 0) {
        this.numbers.push(Number(line));
      } else {
        this.texts.push(line);
      }
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
