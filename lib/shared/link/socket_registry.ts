// SPDX-License-Identifier: Apache-2.0
/** The open sockets of a listener, and their limits. */
import type { Socket } from "node:net";
import { defined } from "../base/mod.ts";
import { PendingSockets, toPeer } from "../guard/mod.ts";

/** Options of {@linkcode SocketRegistry}. */
export interface SocketRegistryOptions {
  /** Upper bound of sockets. */
  maxCount: number;
  /** Upper bound of pending sockets. */
  maxPendingCount: number;
  /** A socket that is pending for longer is destroyed, in milliseconds. */
  pendingTimeoutMs: number;
  /**
   * Time after the last authenticated call of a socket has ended, in milliseconds. Without another
   * one by then the socket is destroyed, or pending again while it carries calls.
   */
  idleTimeoutMs: number;
  /** A call that has sent nothing may be evicted after this time, in milliseconds. */
  silentCallMs: number;
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
  /** The call's peer has begun to authenticate itself: it is no longer evicted. */
  markActive(): void;
  /** The call's peer has authenticated itself: its socket is no longer pending. */
  markAuthenticated(): void;
  /** The call has ended at this end: unless it is authenticated, it may be evicted at once. */
  markEnding(): void;
}

/** A call that is not authenticated. */
interface OpenCall {
  /** It may be evicted from this time on, in milliseconds of the monotonic clock. */
  evictableMs: number;
  evict: () => void;
}

interface Entry {
  socket: Socket;
  callCount: number;
  /** Oldest first. */
  unauthenticated: Set<OpenCall>;
  authenticatedCount: number;
  /** Calls that ended without authentication while the socket was pending. */
  failedCount: number;
  /** Calls that were refused while the socket was pending. */
  refusedCount: number;
  /** Set while the socket is pending. */
  pending: Disposable | undefined;
  /** Runs after the last authenticated call has ended. */
  idleTimer: ReturnType<typeof setTimeout> | undefined;
}

/**
 * Holds the sockets of a listener by the address of their peer, and counts their calls.
 *
 * ```text
 *            markAuthenticated()              last authenticated call ended
 * pending ────────────────────────▶ in use ◀─────────────────────────────────▶ idle
 *    ▲                                            markAuthenticated()           │
 *    └──────────────────idleTimeoutMs, and it carries calls─────────────────────┘
 * ```
 *
 * A pending socket is destroyed after a time-out or for others, see {@linkcode PendingSockets}; an
 * idle one without calls after `idleTimeoutMs`. An idle socket doesn't count as pending: when a
 * whole fleet loses its links, those would take the slots of the sockets that come.
 *
 * Unauthenticated calls are bounded for each socket. When there are too many, a new one evicts the
 * oldest that has ended here, or has sent nothing for `silentCallMs`. A call is never evicted for
 * its age alone, for a device may be slow; nor during its handshake, for the work would be lost
 * and done again when a whole fleet comes at once.
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
    const peer = toPeer(socket);
    const entry: Entry = {
      socket,
      callCount: 0,
      unauthenticated: new Set(),
      authenticatedCount: 0,
      failedCount: 0,
      refusedCount: 0,
      pending,
      idleTimer: undefined,
    };
    this.#entries.set(peer, entry);
    socket.once("close", () => {
      clearTimeout(entry.idleTimer);
      if (this.#entries.get(peer) === entry) this.#entries.delete(peer);
    });
    return true;
  }

  /**
   * Counts one call on the socket of this peer ("address:port"). Dispose the result when the call
   * has ended. Returns undefined when the call is refused.
   * @param options.onEvicted ends the call, which was evicted for another one
   */
  addCall(
    peer: string,
    { onEvicted = () => {} }: { onEvicted?: () => void } = {},
  ): SocketCall | undefined {
    const entry = this.#entries.get(peer);
    if (!entry) return undefined;
    if (!this.#makeRoom(entry)) {
      if (entry.pending) entry.refusedCount++;
      this.#destroyIfAbusive(entry);
      this.#options.onRefused?.();
      return undefined;
    }
    let state: "silent" | "active" | "ending" | "authenticated" | "ended" =
      "silent";
    const end = () => {
      if (state === "ended") return;
      const former = state;
      state = "ended";
      entry.callCount--;
      if (former === "authenticated") {
        entry.authenticatedCount--;
        if (entry.authenticatedCount === 0) this.#onIdle(entry);
      } else {
        entry.unauthenticated.delete(open);
        if (entry.pending) entry.failedCount++;
        this.#destroyIfAbusive(entry);
      }
    };
    const open: OpenCall = {
      evictableMs: performance.now() + this.#options.silentCallMs,
      evict: () => {
        end();
        onEvicted();
        this.#options.onRefused?.();
      },
    };
    entry.callCount++;
    entry.unauthenticated.add(open);
    return {
      markActive: () => {
        if (state !== "silent") return;
        state = "active";
        open.evictableMs = Infinity;
      },
      markAuthenticated: () => {
        if (state === "authenticated" || state === "ended") return;
        state = "authenticated";
        entry.unauthenticated.delete(open);
        entry.authenticatedCount++;
        endPending(entry);
      },
      markEnding: () => {
        if (state === "authenticated" || state === "ended") return;
        state = "ending";
        open.evictableMs = 0;
      },
      [Symbol.dispose]: end,
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

  /** Evicts a call if there are too many; returns whether there is room for one more. */
  #makeRoom({ pending, unauthenticated }: Entry): boolean {
    const maxCount = pending ? MAX_PENDING_CALLS : MAX_UNAUTHENTICATED_CALLS;
    if (unauthenticated.size < maxCount) return true;
    const nowMs = performance.now();
    const victim = unauthenticated.values().find(({ evictableMs }) =>
      evictableMs <= nowMs
    );
    victim?.evict();
    return victim !== undefined;
  }

  /** The last authenticated call of a socket has ended. */
  #onIdle(entry: Entry): void {
    const { socket } = entry;
    if (socket.destroyed) return;
    entry.idleTimer = setTimeout(() => {
      if (entry.callCount === 0) socket.destroy();
      else entry.pending = this.#pending.add(socket);
    }, this.#options.idleTimeoutMs);
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
  clearTimeout(entry.idleTimer);
  entry.failedCount = 0;
  entry.refusedCount = 0;
  entry.pending?.[Symbol.dispose]();
  entry.pending = undefined;
}
