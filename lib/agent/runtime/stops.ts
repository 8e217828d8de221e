// SPDX-License-Identifier: Apache-2.0
/** Stopping containers: the stop signal, the grace, then SIGKILL; the grace of a stop under way can only shrink. */
import { AranyaError } from "../../shared/base/mod.ts";
import {
  type DockerClient,
  inspectContainer,
  killContainer,
  waitContainer,
} from "../docker/mod.ts";
import { isGone } from "./sandbox.ts";

/** A killed process that isn't gone after this hangs in the kernel. */
const KILL_TIMEOUT_MS = 30_000;

interface Stop {
  killAtMs: number;
  timer?: ReturnType<typeof setTimeout>;
  kill: () => void;
  done: Promise<void>;
}

/** Stops under way on one engine. */
export class Stops {
  readonly #client: DockerClient;
  readonly #running = new Map<string, Stop>();

  constructor(client: DockerClient) {
    this.#client = client;
  }

  /** See PodRuntime.stopContainer. Aborting the signal gives up waiting, not stopping. */
  async stop(
    id: string,
    options: { graceMs: number; signal: AbortSignal },
  ): Promise<void> {
    options.signal.throwIfAborted();
    const stop = this.#running.get(id) ?? this.#begin(id, options.graceMs);
    this.#shorten(stop, options.graceMs);
    const { promise: left, reject } = Promise.withResolvers<never>();
    const onAbort = () => reject(options.signal.reason);
    options.signal.addEventListener("abort", onAbort, { once: true });
    try {
      await Promise.race([stop.done, left]);
    } finally {
      options.signal.removeEventListener("abort", onAbort);
    }
  }

  #begin(id: string, graceMs: number): Stop {
    const { promise: killed, resolve: kill } = Promise.withResolvers<void>();
    const stop: Stop = { killAtMs: Infinity, kill, done: Promise.resolve() };
    this.#running.set(id, stop);
    stop.done = this.#run(id, { politely: graceMs > 0, killed }).finally(
      () => {
        clearTimeout(stop.timer);
        this.#running.delete(id);
      },
    );
    // Every caller may have left by its signal.
    stop.done.catch(() => {});
    return stop;
  }

  #shorten(stop: Stop, graceMs: number): void {
    const killAtMs = performance.now() + graceMs;
    if (killAtMs >= stop.killAtMs) return;
    clearTimeout(stop.timer);
    stop.killAtMs = killAtMs;
    if (graceMs <= 0) stop.kill();
    else stop.timer = setTimeout(stop.kill, graceMs);
  }

  async #run(
    id: string,
    options: { politely: boolean; killed: Promise<void> },
  ): Promise<void> {
    const ended = new AbortController();
    const dead = this.#waitDead(id, ended.signal);
    // Read below; until then a rejection must not count as unhandled.
    dead.catch(() => {});
    try {
      if (options.politely) {
        await this.#signal(id, await this.#stopSignal(id));
      }
      const byItself = await Promise.race([
        dead.then(() => true),
        options.killed.then(() => false),
      ]);
      if (byItself) return;
      await this.#signal(id, "SIGKILL");
      await this.#waitKilled(id);
    } finally {
      ended.abort();
    }
  }

  async #stopSignal(id: string): Promise<string> {
    try {
      const { Config } = await inspectContainer(this.#client, id);
      return Config.StopSignal || "SIGTERM";
    } catch (error) {
      if (isGone(error)) return "SIGTERM";
      throw error;
    }
  }

  /** "conflict": it doesn't run; then there is nothing to signal. */
  async #signal(id: string, signalName: string): Promise<void> {
    try {
      await killContainer(this.#client, { id, signalName });
    } catch (error) {
      const code = error instanceof AranyaError ? error.code : "";
      if (code !== "not_found" && code !== "conflict") throw error;
    }
  }

  async #waitDead(id: string, signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        return await waitContainer(this.#client, {
          id,
          timeoutMs: 3_600_000,
          signal,
        });
      } catch (error) {
        if (isGone(error)) return;
        if (error instanceof AranyaError && error.code === "timed_out") {
          continue;
        }
        throw error;
      }
    }
  }

  async #waitKilled(id: string): Promise<void> {
    try {
      await waitContainer(this.#client, { id, timeoutMs: KILL_TIMEOUT_MS });
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
}
