// SPDX-License-Identifier: Apache-2.0
/**
 * TCP connections to services that this machine can reach: its own loopback, or a pod's address.
 */
import {
  AranyaError,
  hasCode,
  onAbort,
  withDeadline,
} from "../../shared/base/mod.ts";
import type { ConnectionIo } from "../../shared/exec/mod.ts";

const READ_BUFFER_BYTES = 64 * 1024;
const DIAL_TIMEOUT_MS = 10_000;

/** Options of {@linkcode dialPort}. */
export interface DialPortOptions {
  /** IP addresses, tried in this order. */
  addresses: string[];
  port: number;
  /** `Cannot <verb> <object>`, for errors. */
  action: string;
  signal: AbortSignal;
  /** Upper bound for each address, in milliseconds. @default 10000 */
  timeoutMs?: number;
}

/** No connection was made, and nothing was read from the client's input. */
export class PortDialError extends AranyaError {}

/**
 * Connects to the first address that accepts.
 * @throws {PortDialError} code "unavailable" when none does
 */
export async function dialPort(
  options: DialPortOptions,
): Promise<Deno.TcpConn> {
  const { port, action, signal, timeoutMs = DIAL_TIMEOUT_MS } = options;
  let failure: unknown;
  signal.throwIfAborted();
  for (const hostname of options.addresses) {
    try {
      return await withDeadline(
        (ended) => Deno.connect({ hostname, port, signal: ended }),
        { timeoutMs, action, signal },
      );
    } catch (error) {
      signal.throwIfAborted();
      failure = error;
    }
  }
  const state = describeDialError(failure, port);
  throw new PortDialError("unavailable", `${action}: ${state}`, {
    cause: failure,
  });
}

/** @param failure undefined when there was no address to try */
function describeDialError(failure: unknown, port: number): string {
  if (failure instanceof Deno.errors.ConnectionRefused) {
    return `nothing listens on port ${port}`;
  }
  if (hasCode(failure, "timed_out")) return "no answer";
  return failure instanceof Error ? failure.message : "it has no address";
}

/**
 * Copies bytes in both directions until the target has closed its side, then closes the connection.
 * The end of the client's input is passed on as a half-close before that. Returns when the client
 * leaves.
 * @throws {AranyaError} code "unavailable" when the connection fails
 */
export async function relayConnection(
  conn: Deno.TcpConn,
  options: { io: ConnectionIo; action: string },
): Promise<void> {
  const { io, action } = options;
  conn.setNoDelay();
  using _listener = onAbort(io.signal, () => closeConnection(conn));
  try {
    const failure = Promise.withResolvers<never>();
    copyInput(conn, io).catch(failure.reject);
    await Promise.race([copyOutput(conn, io), failure.promise]);
  } catch (error) {
    if (io.signal.aborted) return;
    if (error instanceof AranyaError) throw error;
    throw new AranyaError(
      "unavailable",
      `${action}: the connection failed (${
        error instanceof Error ? error.message : String(error)
      })`,
      { cause: error },
    );
  } finally {
    closeConnection(conn);
  }
}

/** A target that reads no more may still send: a failed write ends this direction only. */
async function copyInput(conn: Deno.TcpConn, io: ConnectionIo): Promise<void> {
  for await (const chunk of io.input) {
    try {
      for (let offset = 0; offset < chunk.length;) {
        offset += await conn.write(chunk.subarray(offset));
      }
    } catch {
      return;
    }
  }
  await conn.closeWrite().catch(() => {});
}

async function copyOutput(conn: Deno.TcpConn, io: ConnectionIo): Promise<void> {
  const buffer = new Uint8Array(READ_BUFFER_BYTES);
  for (
    let count = await conn.read(buffer);
    count !== null;
    count = await conn.read(buffer)
  ) {
    await io.output(buffer.slice(0, count));
  }
  await io.endOutput();
}

/** May be called twice. */
function closeConnection(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
