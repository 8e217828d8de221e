// SPDX-License-Identifier: Apache-2.0
/** The interface between transports and everything above them. */
import type { AranyaError } from "../base/mod.ts";

/**
 * One connection between an operator and an agent. It carries opaque packets; each is delivered
 * whole, in order, at most once.
 */
export interface Link {
  /** The other end, for the log, e.g. "10.0.0.7:51234"; never a credential. */
  readonly peer: string;
  /** Upper bound of a packet given to `send`, in bytes. */
  readonly maxPacketBytes: number;
  /**
   * Whether only the other end can send packets on it, as on a connection. False on the topics of a
   * broker: packets of an earlier link or of another client may arrive there at any time, and
   * must not end the link.
   */
  readonly isExclusive: boolean;
  /**
   * Hands one packet to the transport; the array must not be changed afterwards. Resolves when the
   * transport has room for the next one: that is the back-pressure. Concurrent calls keep their
   * order.
   * @throws {AranyaError} code "unavailable" when the link has ended; "too_large" above
   * `maxPacketBytes`
   */
  send(packet: Uint8Array): Promise<void>;
  /**
   * The packets that the other end sent; ends with the link, without throwing. A reader that pauses
   * makes the sender wait. One reader only; a second iterator continues where the first stopped.
   */
  readonly packets: AsyncIterable<Uint8Array>;
  /** Resolves with the reason when the link has ended. Never rejects. */
  readonly closed: Promise<LinkEnd>;
  /** Ends the link; may be called twice. Packets that are not sent yet may be lost. */
  close(reason: string): void;
  /**
   * Marks the other end as authenticated: the transport no longer applies its limits for
   * unauthenticated clients to it. May be called twice.
   */
  markAuthenticated(): void;
}

/** Why a link ended. */
export interface LinkEnd {
  /** A sentence for log and status. */
  reason: string;
  /** Set when the link broke; absent when one of its ends closed it. */
  error?: AranyaError;
}

/** The operator's side of a transport: accepts links. Disposing it closes them. */
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
   * @param options.endpoint "host:port" instead of the configured one, e.g. after a redirect
   * @throws {AranyaError} code "unavailable" when there is no route or no operator; "unauthorized"
   * when the server's certificate can't be trusted; "timed_out"; "invalid"; the signal's reason
   */
  dial(options: { signal: AbortSignal; endpoint?: string }): Promise<Link>;
}
