// SPDX-License-Identifier: Apache-2.0
/** Back-pressure towards a sender: reading from its socket is paused. */
import type { Socket } from "node:net";

/** The TCP handle below a TLS socket of Deno; not a public API. */
interface ReadHandle {
  readStop(): unknown;
  readStart(): unknown;
}

/**
 * Stops reading from a socket, so that TCP makes the sender wait.
 *
 * In Deno 2.9.6 `pause()` of a TLS socket stops only the decrypted side: the TCP socket below is
 * read on, and ciphertext is buffered without limit (3 GB in three seconds were measured).
 * Therefore the TCP handle is stopped as well. Node has no property of that name, and needs none.
 */
export function pauseReading(socket: Socket): void {
  socket.pause();
  tcpHandleOf(socket)?.readStop();
}

/** Reads from the socket again. */
export function resumeReading(socket: Socket): void {
  tcpHandleOf(socket)?.readStart();
  socket.resume();
}

const MAX_UNREAD_BYTES = 1024 * 1024;
const RESUME_UNREAD_BYTES = MAX_UNREAD_BYTES / 2;

/**
 * Pauses a socket while more than 1 MiB that it delivered is unread, and resumes it when less than
 * half of that is left.
 */
export class ReadThrottle {
  readonly #socket: Socket;
  #unreadBytes = 0;
  #isPaused = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Whether the socket is paused. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Counts bytes that were received. */
  add(byteCount: number): void {
    this.#unreadBytes += byteCount;
  }

  /** Counts bytes that were read or dropped; may resume the socket. */
  remove(byteCount: number): void {
    this.#unreadBytes -= byteCount;
    if (!this.#isPaused || this.#unreadBytes > RESUME_UNREAD_BYTES) return;
    this.#isPaused = false;
    resumeReading(this.#socket);
  }

  /** Pauses the socket if too much is unread. */
  pauseIfFull(): void {
    if (this.#unreadBytes <= MAX_UNREAD_BYTES) return;
    this.#isPaused = true;
    pauseReading(this.#socket);
  }
}

/** Returns the TCP handle below a TLS socket; undefined for other and for destroyed sockets. */
function tcpHandleOf(socket: Socket): ReadHandle | undefined {
  if (socket.destroyed) return undefined;
  const handle = fieldOf(fieldOf(socket, "_handle"), "_nativeTcpHandle");
  return isReadHandle(handle) ? handle : undefined;
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? Reflect.get(value, name)
    : undefined;
}

function isReadHandle(value: unknown): value is ReadHandle {
  return typeof fieldOf(value, "readStop") === "function" &&
    typeof fieldOf(value, "readStart") === "function";
}
