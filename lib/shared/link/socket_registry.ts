// SPDX-License-Identifier: Apache-2.0
/** The open sockets of a listener, and their limits. */
import type { Socket } from "node:net";
import { defined, PendingSockets } from "../base/mod.ts";

/** Options of {@linkcode SocketRegistry}. */
export interface SocketRegistryOptions {
  /** Upper bound of sockets. */
  maxCount: number;
  /** Upper bound of pending sockets. */
  maxPendingCount: number;
  /** A socket that is pending for longer is destroyed, in milliseconds. */
  pendingTimeoutMs: number;
  /** Called for each socket that was refused or destroyed by a limit, and each refused call. */
  onRefused?: () => void;
}

/** Upper bound of calls on one pending socket: an Ingress may carry several agents over one. */
const MAX_PENDING_CALLS = 16;
/** Upper bound of unauthenticated calls on a socket with an authenticated one. */
const MAX_UNAUTHENTICATED_CALLS = 256;
/** A socket is destroyed after so many calls that ended without authentication, if none had it. */
const MAX_FAILED_CALLS = 64;

/** A pending socket is destroyed after so many refused calls. */
const MAX_REFUSED_CALLS = 1024;

/** One call on a socket. Disposing it twice is allowed. */
export interface SocketCall extends Disposable {
  /** The call's peer has authenticated itself: its socket is no longer pending. */
  markAuthenticated(): void;
}

interface Entry {
  socket: Socket;
  callCount: number;
  unauthenticatedCount: number;
  /** Calls that ended without authentication. */
  failedCount: number;
  /** Calls that were refused. */
  refusedCount: number;
  /** Set while the socket is pending. */
  pending: Disposable | undefined;
}

/**
 * Holds the sockets of a listener by the address of their peer. A socket is *pending* until one of
 * its calls is authenticated; see {@linkcode PendingSockets}.
 */
export class SocketRegistry {
  readonly #options: SocketRegistryOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #pending: PendingSockets;

  constructor(options: SocketRegistryOptions) {
    this.#options = options;
    this.#pending = new PendingSockets({
      maxCount: options.maxPendingCount,
      timeoutMs: options.pendingTimeoutMs,
      ...defined({ onRefused: options.onRefused }),
    });
  }

  /** Number of open sockets. */
  get count(): number {
    return this.#entries.size;
  }

  /** Adds a new socket. Returns false when it was refused and destroyed. */
  add(socket: Socket): boolean {
    // Without a listener an error of the socket would end the process.
    socket.on("error", () => {});
    const { maxCount } = this.#options;
    if (this.#entries.size >= maxCount) {
      this.#refuse(socket);
      return false;
    }
    const pending = this.#pending.add(socket);
    if (!pending) return false;
    const peer = `${socket.remoteAddress}:${socket.remotePort}`;
    const entry: Entry = {
      socket,
      callCount: 0,
      unauthenticatedCount: 0,
      failedCount: 0,
      refusedCount: 0,
      pending,
    };
    this.#entries.set(peer, entry);
    socket.once("close", () => {
      if (this.#entries.get(peer) === entry) this.#entries.delete(peer);
    });
    return true;
  }

  /**
   * Counts one call on the socket of this peer ("address:port"). Dispose the result when the call
   * has ended. Returns undefined when the call is refused.
   */
  addCall(peer: string): SocketCall | undefined {
    const entry = this.#entries.get(peer);
    if (!entry) return undefined;
    const maxCount = entry.pending
      ? MAX_PENDING_CALLS
      : MAX_UNAUTHENTICATED_CALLS;
    if (entry.unauthenticatedCount >= maxCount) {
      entry.refusedCount++;
      this.#destroyIfAbusive(entry);
      this.#options.onRefused?.();
      return undefined;
    }
    entry.callCount++;
    entry.unauthenticatedCount++;
    let state: "open" | "authenticated" | "ended" = "open";
    return {
      markAuthenticated: () => {
        if (state !== "open") return;
        state = "authenticated";
        entry.unauthenticatedCount--;
        endPending(entry);
      },
      [Symbol.dispose]: () => {
        if (state === "ended") return;
        entry.callCount--;
        if (state === "open") {
          entry.unauthenticatedCount--;
          entry.failedCount++;
          this.#destroyIfAbusive(entry);
        }
        state = "ended";
      },
    };
  }

  /** Destroys the socket of this peer unless it carries several calls. Returns whether it did. */
  destroyUnlessShared(peer: string): boolean {
    const entry = this.#entries.get(peer);
    if (!entry || entry.callCount > 1) return false;
    entry.socket.destroy();
    return true;
  }

  /** Destroys every socket. */
  destroyAll(): void {
    for (const { socket } of this.#entries.values()) socket.destroy();
  }

  #destroyIfAbusive(entry: Entry): void {
    if (!entry.pending) return;
    if (
      entry.failedCount >= MAX_FAILED_CALLS ||
      entry.refusedCount >= MAX_REFUSED_CALLS
    ) this.#refuse(entry.socket);
  }

  /** Destroys a socket because of a limit. */
  #refuse(socket: Socket): void {
    socket.destroy();
    this.#options.onRefused?.();
  }
}

function endPending(entry: Entry): void {
  entry.pending?.[Symbol.dispose]();
  entry.pending = undefined;
}
