// SPDX-License-Identifier: Apache-2.0
/** Stopping containers with a grace period. */
import { abortable, hasCode } from "../../shared/base/mod.ts";
import {
  type DockerClient,
  inspectContainer,
  killContainer,
  waitContainer,
} from "../docker/mod.ts";

/** A process that has not ended for so long after SIGKILL is stuck in the kernel. */
const KILL_TIMEOUT_MS = 30_000;
/** Upper bound of one wait for a container's end, which is then repeated. */
const WAIT_TIMEOUT_MS = 3_600_000;
/** As the engine has it for images without STOPSIGNAL. */
const DEFAULT_STOP_SIGNAL = "SIGTERM";

/** A container that is being stopped. */
interface StopRequest {
  /** When SIGKILL is sent; monotonic, in milliseconds. */
  killAtMs: number;
  timer?: ReturnType<typeof setTimeout>;
  /** Ends the grace period. */
  kill: () => void;
  /** Settles when the container has terminated, or can't be stopped. */
  done: Promise<void>;
}

/**
 * Stops containers of one engine: sends the stop signal, and SIGKILL after the grace period.
 * Requests for the same container join; the shortest grace period counts.
 */
export class StopRequests {
  readonly #client: DockerClient;
  readonly #requests = new Map<string, StopRequest>();

  constructor(client: DockerClient) {
    this.#client = client;
  }

  /**
   * Stops a container; resolves when it has terminated or doesn't exist. Aborting the signal ends
   * the wait, not the stop.
   */
  async stop(
    id: string,
    { graceMs, signal }: { graceMs: number; signal: AbortSignal },
  ): Promise<void> {
    signal.throwIfAborted();
    const request = this.#requests.get(id) ?? this.#start(id, graceMs);
    shortenGrace(request, graceMs);
    await abortable(request.done, signal);
  }

  #start(id: string, graceMs: number): StopRequest {
    const { promise: graceEnded, resolve: kill } = Promise.withResolvers<
      void
    >();
    const request: StopRequest = {
      killAtMs: Infinity,
      kill,
      done: Promise.resolve(),
    };
    this.#requests.set(id, request);
    request.done = this.#stopContainer(id, { graceMs, graceEnded }).finally(
      () => {
        clearTimeout(request.timer);
        this.#requests.delete(id);
      },
    );
    // All callers may have stopped waiting.
    request.done.catch(() => {});
    return request;
  }

  async #stopContainer(
    id: string,
    { graceMs, graceEnded }: { graceMs: number; graceEnded: Promise<void> },
  ): Promise<void> {
    const finished = new AbortController();
    const terminated = this.#waitForEnd(id, finished.signal);
    // It is awaited below; until then a rejection must not count as unhandled.
    terminated.catch(() => {});
    try {
      if (graceMs > 0) await this.#signal(id, await this.#findStopSignal(id));
      const hasTerminated = await Promise.race([
        terminated.then(() => true),
        graceEnded.then(() => false),
      ]);
      if (hasTerminated) return;
      await this.#signal(id, "SIGKILL");
      await this.#waitForKill(id);
    } finally {
      finished.abort();
    }
  }

  async #findStopSignal(id: string): Promise<string> {
    try {
      const { Config } = await inspectContainer(this.#client, id);
      return Config.StopSignal || DEFAULT_STOP_SIGNAL;
    } catch (error) {
      if (hasCode(error, "not_found")) return DEFAULT_STOP_SIGNAL;
      throw error;
    }
  }

  async #signal(id: string, signalName: string): Promise<void> {
    try {
      await killContainer(this.#client, { id, signalName });
    } catch (error) {
      // "conflict": it is not running.
      if (!hasCode(error, "not_found", "conflict")) throw error;
    }
  }

  async #waitForEnd(id: string, signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        return await waitContainer(this.#client, {
          id,
          timeoutMs: WAIT_TIMEOUT_MS,
          signal,
        });
      } catch (error) {
        if (hasCode(error, "not_found")) return;
        if (!hasCode(error, "timed_out")) throw error;
      }
    }
  }

  async #waitForKill(id: string): Promise<void> {
    try {
      await waitContainer(this.#client, { id, timeoutMs: KILL_TIMEOUT_MS });
    } catch (error) {
      if (!hasCode(error, "not_found")) throw error;
    }
  }
}

/** Moves the time of SIGKILL forward when the grace period is shorter; never back. */
function shortenGrace(request: StopRequest, graceMs: number): void {
  const killAtMs = performance.now() + graceMs;
  if (killAtMs >= request.killAtMs) return;
  clearTimeout(request.timer);
  request.killAtMs = killAtMs;
  if (graceMs <= 0) request.kill();
  else request.timer = setTimeout(request.kill, graceMs);
}
