// SPDX-License-Identifier: Apache-2.0
/** The open sockets of a listener, and their limits. */
import type { Socket } from "node:net";

/** Options of {@linkcode SocketRegistry}. */
export interface SocketRegistryOptions {
  /** Upper bound of sockets. */
  maxCount: number;
  /** Upper bound of pending sockets. */
  maxPendingCount: number;
  /** A socket that is pending for longer is destroyed, in milliseconds. */
  pendingTimeoutMs: number;
  /** Called for each socket that was refused or destroyed by a limit. */
  onRefused?: () => void;
}

/** A pending socket younger than this is not destroyed for another one, in milliseconds. */
const PROTECTED_MS = 2000;

interface Entry {
  socket: Socket;
  sinceMs: number;
  linkCount: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/**
 * Holds the sockets of a listener by the address of their peer. A socket is *pending* until it
 * carries its first link.
 *
 * An agent needs a few round trips for that, so a socket that is pending for long is most likely no
 * agent's: it is destroyed after a time-out, and the oldest one makes room when there are too many.
 */
export class SocketRegistry {
  readonly #options: SocketRegistryOptions;
  readonly #entries = new Map<string, Entry>();
  // In order of arrival.
  readonly #pending = new Map<string, Entry>();

  constructor(options: SocketRegistryOptions) {
    this.#options = options;
  }

  /** Number of open sockets. */
  get count(): number {
    return this.#entries.size;
  }

  /** Adds a new socket. Returns false when it was refused and destroyed. */
  add(socket: Socket): boolean {
    // Without a listener an error of the socket would end the process.
    socket.on("error", () => {});
    if (!this.#makeRoom()) {
      this.#refuse(socket);
      return false;
    }
    const peer = `${socket.remoteAddress}:${socket.remotePort}`;
    const entry: Entry = {
      socket,
      sinceMs: performance.now(),
      linkCount: 0,
      timer: setTimeout(
        () => this.#refuse(socket),
        this.#options.pendingTimeoutMs,
      ),
    };
    this.#entries.set(peer, entry);
    this.#pending.set(peer, entry);
    socket.once("close", () => {
      this.#endPending(peer, entry);
      if (this.#entries.get(peer) === entry) this.#entries.delete(peer);
    });
    return true;
  }

  /**
   * Counts one link on the socket of this peer ("address:port"). Dispose the result when the link
   * has ended; it may be done twice.
   */
  addLink(peer: string): Disposable {
    const entry = this.#entries.get(peer);
    if (!entry) return { [Symbol.dispose]() {} };
    this.#endPending(peer, entry);
    entry.linkCount++;
    let isCounted = true;
    return {
      [Symbol.dispose]() {
        if (isCounted) entry.linkCount--;
        isCounted = false;
      },
    };
  }

  /** Destroys the socket of this peer unless it carries several links. */
  destroyUnlessShared(peer: string): void {
    const entry = this.#entries.get(peer);
    if (entry && entry.linkCount <= 1) entry.socket.destroy();
  }

  /** Destroys every socket. */
  destroyAll(): void {
    for (const { socket } of this.#entries.values()) socket.destroy();
  }

  /** Makes room for one socket where that is possible. Returns whether there is room. */
  #makeRoom(): boolean {
    const { maxCount, maxPendingCount } = this.#options;
    if (this.#entries.size >= maxCount) return false;
    if (this.#pending.size < maxPendingCount) return true;
    const [oldest] = this.#pending.values();
    if (!oldest || performance.now() - oldest.sinceMs < PROTECTED_MS) {
      return false;
    }
    this.#refuse(oldest.socket);
    return true;
  }

  /** Destroys a socket because of a limit. */
  #refuse(socket: Socket): void {
    socket.destroy();
    this.#options.onRefused?.();
  }

  /** Ends the time-out of an entry and its place among the pending ones. */
  #endPending(peer: string, entry: Entry): void {
    clearTimeout(entry.timer);
    entry.timer = undefined;
    if (this.#pending.get(peer) === entry) this.#pending.delete(peer);
  }
}
