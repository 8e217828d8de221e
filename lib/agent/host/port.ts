// SPDX-License-Identifier: Apache-2.0
/** TCP connections to services that this machine can reach: its own loopback, or a pod's address. */
import { AranyaError, withDeadline } from "../../shared/base/mod.ts";
import type { ConnectionIo } from "../../shared/exec/mod.ts";

const READ_BYTES = 64 * 1024;
const DIAL_TIMEOUT_MS = 10_000;

/** Options of {@linkcode dialPort}. */
export interface DialPortOptions {
  /** Tried in this order. */
  addresses: string[];
  port: number;
  /** `Cannot <verb> <object>`, for errors. */
  action: string;
  signal: AbortSignal;
  /** For each address, in milliseconds. @default 10 000 */
  timeoutMs?: number;
}

/** No connection came about; not a byte of the input has been taken. */
export class PortDialError extends AranyaError {}

/** The first address that answers. @throws {PortDialError} "unavailable" when none does */
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
  const state = failure instanceof Deno.errors.ConnectionRefused
    ? `nothing listens on port ${port}`
    : failure instanceof AranyaError && failure.code === "timed_out"
    ? "no answer"
    : failure instanceof Error
    ? failure.message
    : "it has no address";
  throw new PortDialError("unavailable", `${action}: ${state}`, {
    cause: failure,
  });
}

/**
 * Moves bytes both ways until the target has closed its side (the client's end is a half-close before that), then closes the
 * connection. Leaving by the signal just ends it.
 */
export async function joinPort(
  conn: Deno.TcpConn,
  options: { io: ConnectionIo; action: string },
): Promise<void> {
  const { io, action } = options;
  conn.setNoDelay();
  const end = () => close(conn);
  io.signal.addEventListener("abort", end, { once: true });
  if (io.signal.aborted) end();
  try {
    const failure = Promise.withResolvers<never>();
    upload(conn, io).catch(failure.reject);
    await Promise.race([download(conn, io), failure.promise]);
  } catch (error) {
    if (io.signal.aborted) return;
    if (error instanceof AranyaError) throw error;
    throw new AranyaError(
      "unavailable",
      `${action}: the connection broke (${
        error instanceof Error ? error.message : String(error)
      })`,
      { cause: error },
    );
  } finally {
    io.signal.removeEventListener("abort", end);
    end();
  }
}

/** A target that reads no more may still have much to say: its refusal ends this direction only. */
async function upload(conn: Deno.TcpConn, io: ConnectionIo): Promise<void> {
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

async function download(conn: Deno.TcpConn, io: ConnectionIo): Promise<void> {
  const buffer = new Uint8Array(READ_BYTES);
  for (
    let count = await conn.read(buffer);
    count !== null;
    count = await conn.read(buffer)
  ) {
    await io.output(buffer.slice(0, count));
  }
  await io.endOutput();
}

function close(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch (error) {
    // Closed already.
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
