// SPDX-License-Identifier: Apache-2.0
/** The interface between transports and everything above them: whole packets, in order, until the link ends. */
import type { AranyaError } from "../base/mod.ts";

/**
 * One connection between an operator and an agent. It carries opaque packets; each is delivered whole, in order,
 * at most once.
 */
export interface Link {
  /** The other end, for the log, e.g. "10.0.0.7:51234"; never a credential. */
  readonly peer: string;
  /** Upper bound of a packet given to `send`, in bytes. */
  readonly maxPacketBytes: number;
  /**
   * Hands one packet to the transport. Resolves when the transport has room for the next one, which is its
   * back-pressure; concurrent calls keep their order. The array must not be changed afterwards.
   * @throws {AranyaError} code "unavailable" when the link has ended; "too_large" above `maxPacketBytes`
   */
  send(packet: Uint8Array): Promise<void>;
  /**
   * The packets that the other end sent. Ends when the link ends, without throwing. A reader that pauses makes the
   * sender wait. One reader only; a second iterator continues where the first one stopped.
   */
  readonly packets: AsyncIterable<Uint8Array>;
  /** Resolves with the reason when the link has ended. Never rejects. */
  readonly closed: Promise<LinkEnd>;
  /** Ends the link; may be called twice. Packets that are not sent yet may be lost. */
  close(reason: string): void;
}

/** Why a link ended. */
export interface LinkEnd {
  /** A sentence for log and status. */
  reason: string;
  /** Set when the link broke; absent when one of its ends closed it. */
  error?: AranyaError;
}

/** The operator's side of a transport: accepts links. Dispose it to stop listening and to close its links. */
export interface LinkListener extends AsyncDisposable {
  /** The address it listens on, with the port that the system chose. */
  readonly address: { host: string; port: number };
  /** Links in order of arrival; ends when the listener is disposed. One reader only. */
  readonly links: AsyncIterable<Link>;
}

/** The agent's side of a transport: opens links. */
export interface LinkDialer {
  /**
   * Tries once to open a link.
   * @param options.endpoint "host:port" to dial instead of the configured one, e.g. after a redirect
   * @throws {AranyaError} code "unavailable" when there is no route or no operator; "unauthorized" when the server's
   * certificate can't be trusted; "timed_out"; "invalid"; the signal's reason
   */
  dial(options: { signal: AbortSignal; endpoint?: string }): Promise<Link>;
}
