// SPDX-License-Identifier: Apache-2.0
/**
 * The sockets of a listener. A connection is pending until its first link; a pending one lives for a bounded time, and when there
 * are too many the oldest makes room: an agent needs a few round trips only, so the oldest is most likely nobody's.
 */
import type { Socket } from "node:net";

/** See {@linkcode createConnections}. */
export interface Connections {
  /** Takes a new socket; false when it was refused and destroyed. */
  add(socket: Socket): boolean;
  /** Counts one link on the connection of this peer ("address:port"); gives what to call at its end. */
  enter(peer: string): () => void;
  /** Destroys the connection of this peer unless it carries other links too. */
  destroyIfAlone(peer: string): void;
  destroyAll(): void;
  /** Connections now. */
  readonly count: number;
}

/** Options of {@linkcode createConnections}. */
export interface ConnectionsOptions {
  maxCount: number;
  maxPendingCount: number;
  pendingTimeoutMs: number;
  /** Told of each socket that was turned away or thrown out. */
  onRefused?: () => void;
}

/** A pending connection younger than this is not thrown out for another, in milliseconds. */
const PROTECTED_MS = 2000;

interface Connection {
  socket: Socket;
  sinceMs: number;
  linkCount: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** Makes the registry. */
export function createConnections(options: ConnectionsOptions): Connections {
  const { onRefused = () => {} } = options;
  const all = new Map<string, Connection>();
  // In order of arrival.
  const pending = new Map<string, Connection>();

  const settle = (peer: string, connection: Connection) => {
    clearTimeout(connection.timer);
    connection.timer = undefined;
    if (pending.get(peer) === connection) pending.delete(peer);
  };
  const refuse = (socket: Socket) => {
    socket.destroy();
    onRefused();
    return false;
  };
  const makeRoom = (): boolean => {
    if (all.size >= options.maxCount) return false;
    if (pending.size < options.maxPendingCount) return true;
    const [oldest] = pending.values();
    if (!oldest || performance.now() - oldest.sinceMs < PROTECTED_MS) {
      return false;
    }
    refuse(oldest.socket);
    return true;
  };
  return {
    get count() {
      return all.size;
    },
    add(socket) {
      // One unheard error would end the whole operator.
      socket.on("error", () => {});
      if (!makeRoom()) return refuse(socket);
      const peer = `${socket.remoteAddress}:${socket.remotePort}`;
      const connection: Connection = {
        socket,
        sinceMs: performance.now(),
        linkCount: 0,
        timer: setTimeout(() => refuse(socket), options.pendingTimeoutMs),
      };
      all.set(peer, connection);
      pending.set(peer, connection);
      socket.once("close", () => {
        settle(peer, connection);
        if (all.get(peer) === connection) all.delete(peer);
      });
      return true;
    },
    enter(peer) {
      const connection = all.get(peer);
      if (!connection) return () => {};
      settle(peer, connection);
      connection.linkCount++;
      let left = false;
      return () => {
        if (!left) connection.linkCount--;
        left = true;
      };
    },
    destroyIfAlone(peer) {
      const connection = all.get(peer);
      if (connection && connection.linkCount <= 1) connection.socket.destroy();
    },
    destroyAll() {
      for (const { socket } of all.values()) socket.destroy();
    },
  };
}
