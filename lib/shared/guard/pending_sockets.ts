// SPDX-License-Identifier: Apache-2.0
/** Bound on the connections of clients that are not authenticated yet. */
import type { Socket } from "node:net";
import { FairSlots } from "./fair_slots.ts";
import { toNetwork, toPeer } from "./network.ts";

/** Options of {@linkcode PendingSockets}. */
export interface PendingSocketsOptions {
  /** Upper bound of pending sockets. */
  maxCount: number;
  /** A socket that is pending for longer is destroyed, in milliseconds. */
  timeoutMs: number;
  /** Called for each socket that was destroyed by a limit. */
  onRefused?: () => void;
}

/** A pending socket younger than this is only destroyed for a network with fewer ones. */
const PROTECTED_MS = 2000;

/**
 * The sockets of one server, or of several, whose clients are not authenticated yet. Clients need
 * a few round trips for that, so a socket that is pending for long is most likely an idle one: it
 * is destroyed after a time-out. When there are too many, pending sockets are shared out between
 * the networks that they come from; see {@linkcode FairSlots}.
 */
export class PendingSockets {
  readonly #options: PendingSocketsOptions;
  readonly #slots: FairSlots;

  constructor(options: PendingSocketsOptions) {
    this.#options = options;
    this.#slots = new FairSlots({
      maxCount: options.maxCount,
      protectedMs: PROTECTED_MS,
    });
  }

  /** Number of pending sockets. */
  get count(): number {
    return this.#slots.count;
  }

  /**
   * Adds a socket; the same one may be added again later. Dispose the result when its client is
   * authenticated. Returns undefined when the socket was refused and destroyed.
   */
  add(socket: Socket): Disposable | undefined {
    // Without a listener an error of the socket would end the process.
    socket.off("error", ignoreError).on("error", ignoreError);
    const refuse = () => this.#refuse(socket);
    const slot = this.#slots.acquire({
      groups: [toNetwork(toPeer(socket))],
      onEvicted: refuse,
    });
    if (!slot) {
      refuse();
      return undefined;
    }
    const timer = setTimeout(refuse, this.#options.timeoutMs);
    const end = () => {
      clearTimeout(timer);
      socket.off("close", end);
      slot[Symbol.dispose]();
    };
    socket.once("close", end);
    return { [Symbol.dispose]: end };
  }

  #refuse(socket: Socket): void {
    socket.destroy();
    this.#options.onRefused?.();
  }
}

function ignoreError(): void {}
