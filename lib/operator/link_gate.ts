// SPDX-License-Identifier: Apache-2.0
/** Decides whether this operator serves the agents that connect. */
import { type Clock, onAbort } from "../shared/base/mod.ts";
import { NotLeaderError } from "../shared/noise/mod.ts";
import type { Device } from "./device/mod.ts";
import type { DeviceDirectory, DeviceRegistry } from "./fleet/mod.ts";
import type { Leadership, LeaseHolder } from "./kube/mod.ts";

/**
 * A leader whose Lease expires within this time has not renewed it for longer than its renew
 * deadline, so that it serves no agents.
 */
const EXPIRY_NEAR_MS = 3000;
/** Usual upper bound of the time from the election until devices are served. */
const TAKEOVER_MS = 5000;
/** An agent waits at most this long: less than the time-out of its handshake. */
const MAX_HOLD_MS = 5000;

/** What an operator serves while it leads. */
export interface ServedDevices {
  devices: Pick<DeviceRegistry, "find">;
  leadership: Pick<Leadership, "isSuspended">;
}

/** Finds operators by their identity. */
export interface OperatorFinder {
  /** See `Replicas.findEndpoint`. */
  findEndpoint(identity: string, peer: string): string | undefined;
}

/** Options of {@linkcode LinkGate}. */
export interface LinkGateOptions {
  finder: OperatorFinder;
  clock: Clock;
}

/**
 * The devices of the leader; all agents are refused while another operator leads, or may lead. When
 * this operator is about to lead, agents wait for that: one that is refused comes back seconds
 * later.
 */
export class LinkGate implements DeviceDirectory {
  readonly #finder: OperatorFinder;
  readonly #clock: Clock;
  #served: ServedDevices | undefined;
  #leader: string | undefined;
  /** When this operator should lead, or know that another one does; on the monotonic clock. */
  #decidedAtMs = -Infinity;
  #decision = Promise.withResolvers<void>();

  constructor({ finder, clock }: LinkGateOptions) {
    this.#finder = finder;
    this.#clock = clock;
  }

  /** Notes who leads, to name its endpoint to agents, and whether it is about to lose that. */
  setLeader({ identity, expiresInMs }: LeaseHolder): void {
    this.#leader = identity;
    if (expiresInMs <= EXPIRY_NEAR_MS) {
      this.#expectDecision(expiresInMs + TAKEOVER_MS);
    } else this.#decide();
  }

  /** Notes that this operator has become the leader, and will soon serve devices. */
  onElected(): void {
    this.#expectDecision(TAKEOVER_MS);
  }

  /** See {@linkcode DeviceDirectory.decided}. */
  async decided(signal: AbortSignal): Promise<void> {
    const holdMs = Math.min(
      this.#decidedAtMs - this.#clock.monotonicMs(),
      MAX_HOLD_MS,
    );
    if (holdMs <= 0) return;
    const waited = new AbortController();
    using _listener = onAbort(signal, () => waited.abort());
    const expiry = this.#clock.sleep(holdMs, { signal: waited.signal })
      .catch(() => {});
    await Promise.race([this.#decision.promise, expiry]);
    waited.abort();
  }

  /** Serves these devices until the result is disposed. */
  open(served: ServedDevices): Disposable {
    this.#served = served;
    this.#decide();
    return {
      [Symbol.dispose]: () => {
        if (this.#served === served) this.#served = undefined;
      },
    };
  }

  /** See {@linkcode DeviceDirectory.find}. */
  find(name: string, peer: string): Device | undefined {
    if (!this.#served) {
      const endpoint = this.#leader === undefined
        ? undefined
        : this.#finder.findEndpoint(this.#leader, peer);
      throw new NotLeaderError({
        reason: "this operator does not lead",
        endpoint,
      });
    }
    if (this.#served.leadership.isSuspended) {
      throw new NotLeaderError({
        reason: "this operator can't reach the API server",
      });
    }
    return this.#served.devices.find(name);
  }

  #expectDecision(withinMs: number): void {
    this.#decidedAtMs = this.#clock.monotonicMs() + withinMs;
  }

  #decide(): void {
    this.#decidedAtMs = -Infinity;
    this.#decision.resolve();
    this.#decision = Promise.withResolvers();
  }
}
