// SPDX-License-Identifier: Apache-2.0
/** Decides whether this operator serves the agents that connect. */
import { NotLeaderError } from "../shared/noise/mod.ts";
import type { Device } from "./device/mod.ts";
import type { DeviceDirectory, DeviceRegistry } from "./fleet/mod.ts";
import type { Leadership } from "./kube/mod.ts";

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

/** The devices of the leader; all agents are refused while another operator leads, or may lead. */
export class LinkGate implements DeviceDirectory {
  readonly #finder: OperatorFinder;
  #served: ServedDevices | undefined;
  #leader: string | undefined;

  constructor(finder: OperatorFinder) {
    this.#finder = finder;
  }

  /** Notes who leads, to name its endpoint to agents. */
  setLeader(identity: string): void {
    this.#leader = identity;
  }

  /** Serves these devices until the result is disposed. */
  open(served: ServedDevices): Disposable {
    this.#served = served;
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
}
