// SPDX-License-Identifier: Apache-2.0
/** A link on one gRPC call, the same at both ends. */
import { AranyaError, Notifier } from "../base/mod.ts";
import type { Link, LinkEnd } from "./link.ts";

/** `send` waits while more bytes than this are unsent. */
const SEND_HIGH_BYTES = 256 * 1024;
/**
 * At this many unread bytes the call is paused, which closes the HTTP/2 window; below the low mark
 * it is resumed.
 */
const READ_HIGH_BYTES = 256 * 1024;
const READ_LOW_BYTES = 64 * 1024;
/** Counted for each unread packet beside its length: empty ones need memory, too. */
const PACKET_OVERHEAD_BYTES = 64;
/** Time for a closing link to send what it has buffered. */
const CLOSE_GRACE_MS = 1000;

/** The part of a gRPC call that a link uses, at either end. */
export interface PacketCall {
  write(packet: Uint8Array, done: () => void): unknown;
  end(): unknown;
  pause(): unknown;
  resume(): unknown;
  on(event: "data", listener: (packet: Uint8Array) => void): unknown;
}

/** Options of {@linkcode GrpcLink}. */
export interface GrpcLinkOptions {
  call: PacketCall;
  peer: string;
  maxPacketBytes: number;
  /** Ends the call at once and drops what it has buffered. May be called twice. */
  destroy: () => void;
  /** Is called when the peer has authenticated itself. */
  onAuthenticated?: () => void;
}

interface Sender {
  resolve: () => void;
  reject: (error: AranyaError) => void;
}

/**
 * A link on one gRPC call. Its owner reports the call's end by `onCallEnded`.
 *
 * ```text
 * open ──close() or onPeerClosed()──▶ closing ──onCallEnded() or 1 s──▶ ended
 *   └─────────────onCallEnded(): the call broke────────────────────────▶ ended
 * ```
 */
export class GrpcLink implements Link {
  readonly peer: string;
  readonly maxPacketBytes: number;
  readonly isExclusive = true;
  readonly packets: AsyncIterable<Uint8Array>;
  readonly closed: Promise<LinkEnd>;
  readonly #call: PacketCall;
  readonly #destroy: () => void;
  readonly #onAuthenticated: () => void;
  readonly #ended = Promise.withResolvers<LinkEnd>();
  readonly #readable = new Notifier();
  #state: "open" | "closing" | "ended" = "open";
  #end: LinkEnd | undefined;
  #graceTimer: ReturnType<typeof setTimeout> | undefined;
  #received: Uint8Array[] = [];
  #receivedBytes = 0;
  #unsentBytes = 0;
  #senders: Sender[] = [];

  constructor(options: GrpcLinkOptions) {
    this.peer = options.peer;
    this.maxPacketBytes = options.maxPacketBytes;
    this.#call = options.call;
    this.#destroy = options.destroy;
    this.#onAuthenticated = options.onAuthenticated ?? (() => {});
    this.closed = this.#ended.promise;
    this.packets = {
      [Symbol.asyncIterator]: () => ({
        next: () => this.#read(),
        return: () => {
          this.close("the reader stopped reading");
          return Promise.resolve({ done: true, value: undefined });
        },
      }),
    };
    this.#call.on("data", (packet: Uint8Array) => this.#onPacket(packet));
  }

  send(packet: Uint8Array): Promise<void> {
    if (packet.length > this.maxPacketBytes) {
      return Promise.reject(
        new AranyaError(
          "too_large",
          `Cannot send packet to ${this.peer}: it has ${packet.length} bytes, expected at most ${this.maxPacketBytes}`,
        ),
      );
    }
    if (this.#state !== "open") return Promise.reject(this.#endedError());
    const { length } = packet;
    this.#unsentBytes += length;
    // A failed write also ends the call, which `onCallEnded` reports.
    this.#call.write(packet, () => this.#onSent(length));
    if (this.#unsentBytes <= SEND_HIGH_BYTES) return Promise.resolve();
    return new Promise((resolve, reject) =>
      this.#senders.push({ resolve, reject })
    );
  }

  close(reason: string): void {
    if (this.#state !== "open") return;
    this.#received = [];
    this.#beginClosing(reason);
    // A paused call would not see its end.
    this.#call.resume();
  }

  markAuthenticated(): void {
    this.#onAuthenticated();
  }

  /** The peer has ended its direction: what it sent can still be read, nothing can be sent. */
  onPeerClosed(reason: string): void {
    if (this.#state === "open") this.#beginClosing(reason);
  }

  /** The call has ended. May be called twice; a reason that was given before stays. */
  onCallEnded(end: LinkEnd): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    clearTimeout(this.#graceTimer);
    this.#end ??= end;
    this.#ended.resolve(this.#end);
    this.#readable.notify();
    this.#rejectSenders();
  }

  #beginClosing(reason: string): void {
    this.#state = "closing";
    this.#end = { reason };
    this.#readable.notify();
    this.#rejectSenders();
    this.#call.end();
    this.#graceTimer = setTimeout(() => {
      this.#destroy();
      this.onCallEnded({ reason });
    }, CLOSE_GRACE_MS);
  }

  #onSent(byteCount: number): void {
    this.#unsentBytes -= byteCount;
    if (this.#unsentBytes > SEND_HIGH_BYTES) return;
    const senders = this.#senders;
    this.#senders = [];
    for (const sender of senders) sender.resolve();
  }

  #rejectSenders(): void {
    const senders = this.#senders;
    this.#senders = [];
    for (const sender of senders) sender.reject(this.#endedError());
  }

  #endedError(): AranyaError {
    return new AranyaError(
      "unavailable",
      `Cannot send packet to ${this.peer}: the link has ended: ${
        this.#end?.reason ?? ""
      }`,
      { cause: this.#end?.error },
    );
  }

  #onPacket(packet: Uint8Array): void {
    if (this.#state !== "open") return;
    this.#received.push(packet);
    this.#receivedBytes += packet.length + PACKET_OVERHEAD_BYTES;
    if (this.#receivedBytes >= READ_HIGH_BYTES) this.#call.pause();
    this.#readable.notify();
  }

  async #read(): Promise<IteratorResult<Uint8Array>> {
    for (;;) {
      const packet = this.#received.shift();
      if (packet) {
        const unreadBytes = this.#receivedBytes;
        this.#receivedBytes -= packet.length + PACKET_OVERHEAD_BYTES;
        if (
          unreadBytes >= READ_LOW_BYTES && this.#receivedBytes < READ_LOW_BYTES
        ) this.#call.resume();
        return { done: false, value: packet };
      }
      if (this.#state !== "open") return { done: true, value: undefined };
      await this.#readable.wait();
    }
  }
}
