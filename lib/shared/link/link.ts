// SPDX-License-Identifier: Apache-2.0
/** The seam between transports and everything above: whole packets, in order, until the link ends. */
import type { AranyaError } from "../base/mod.ts";

/** One living connection between an operator and an agent. It carries opaque packets; each is delivered whole, in order, at most once. */
export interface Link {
  /** The other end for the log, e.g. "10.0.0.7:51234"; never a credential. */
  readonly peer: string;
  /** No packet given to `send` may be longer, in bytes. */
  readonly maxPacketBytes: number;
  /**
   * Hands one packet to the transport. Resolves when the transport has room for the next (its back-pressure); concurrent calls keep
   * their order. The array must not be changed afterwards.
   * @throws {AranyaError} code "unavailable" when the link has ended; "too_large" above `maxPacketBytes`
   */
  send(packet: Uint8Array): Promise<void>;
  /**
   * What the other end sent. One reader only; ends when the link ends, without throwing. A reader that pauses holds the sender back.
   * A second iterator goes on where the first one stopped.
   */
  readonly packets: AsyncIterable<Uint8Array>;
  /** Resolves (never rejects) when the link has ended, with why. */
  readonly closed: Promise<LinkEnd>;
  /** Ends the link; may be called twice. Packets not yet on their way may be lost. */
  close(reason: string): void;
}

/** Why a link ended. */
export interface LinkEnd {
  /** A sentence for log and status. */
  reason: string;
  /** Set when it broke rather than being closed. */
  error?: AranyaError;
}

/** The operator's side of a transport: waits for agents. Dispose it to stop listening and end its links. */
export interface LinkListener extends AsyncDisposable {
  /** Where it listens. */
  readonly address: { host: string; port: number };
  /** Links as they come; ends when the listener is disposed. One reader only. */
  readonly links: AsyncIterable<Link>;
}

/** The agent's side of a transport. */
export interface LinkDialer {
  /**
   * Tries once. @throws {AranyaError} code "unavailable" (no way there), "unauthorized" (the server's certificate is not
   * signed by the CA we know), "timed_out", "invalid"
   */
  dial(options: { signal: AbortSignal; endpoint?: string }): Promise<Link>;
}
