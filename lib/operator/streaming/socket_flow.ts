// SPDX-License-Identifier: Apache-2.0
/**
 * Holding back a sender by not reading its socket.
 *
 * Under Deno 2.9.6 `pause()` of a TLS socket stops only what comes out of it: the TCP socket below is read on, and the ciphertext is kept
 * without bound (seen: 3 GB in three seconds). So the handle below is stopped too, where there is one. Node has none of that name and
 * stops by itself. The test of this file tells when the work-around does no more.
 */
import type { Socket } from "node:net";

/** What Deno's TLS sockets hold a connection by; not public. */
interface ReadHandle {
  readStop(): unknown;
  readStart(): unknown;
}

/** Reads no more from the connection, so that TCP holds the sender back. */
export function pauseReading(socket: Socket): void {
  socket.pause();
  lowerHandleOf(socket)?.readStop();
}

/** Reads on. */
export function resumeReading(socket: Socket): void {
  lowerHandleOf(socket)?.readStart();
  socket.resume();
}

/** The TCP handle below a TLS socket; undefined when there is none, or not any more. */
function lowerHandleOf(socket: Socket): ReadHandle | undefined {
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
