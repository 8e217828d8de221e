// SPDX-License-Identifier: Apache-2.0
/**
 * A link on one gRPC call, the same at both ends.
 *
 *     open ──close() or peerClosed()──▶ closing ──done() or 1 s──▶ ended
 *       └─────────────done(): the call broke──────────────────────▶ ended
 */
import { AranyaError } from "../base/mod.ts";
import type { Link, LinkEnd } from "./link.ts";

/** Above this many unsent bytes `send` waits. */
const SEND_HIGH_BYTES = 256 * 1024;
/** Above this many unread bytes the call is paused, so that HTTP/2's window closes; below the other it goes on. */
const READ_HIGH_BYTES = 256 * 1024;
const READ_LOW_BYTES = 64 * 1024;
/** How long a closing link may take to send what it holds. */
const CLOSE_GRACE_MS = 1000;

/** What a link needs of a gRPC call, at either end. */
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
  /** Ends the call at once, whatever it still holds. */
  destroy: () => void;
}

/** See the picture above. Its owner tells it by `done` when the call is over. */
export class GrpcLink implements Link {
  readonly peer: string;
  readonly maxPacketBytes: number;
  readonly packets: AsyncIterable<Uint8Array>;
  readonly closed: Promise<LinkEnd>;
  readonly #call: PacketCall;
  readonly #destroy: () => void;
  readonly #ended = Promise.withResolvers<LinkEnd>();
  #state: "open" | "closing" | "ended" = "open";
  #closeReason: LinkEnd | undefined;
  #graceTimer: ReturnType<typeof setTimeout> | undefined;
  #received: Uint8Array[] = [];
  #receivedBytes = 0;
  #wakeReader: (() => void) | undefined;
  #unsentBytes = 0;
  #senders: { resolve: () => void; reject: (error: AranyaError) => void }[] =
    [];

  constructor(options: GrpcLinkOptions) {
    this.peer = options.peer;
    this.maxPacketBytes = options.maxPacketBytes;
    this.#call = options.call;
    this.#destroy = options.destroy;
    this.closed = this.#ended.promise;
    this.packets = {
      [Symbol.asyncIterator]: () => ({
        next: () => this.#next(),
        return: () => {
          this.close("its reader has left");
          return Promise.resolve({ done: true, value: undefined });
        },
      }),
    };
    this.#call.on("data", (packet: Uint8Array) => this.#receive(packet));
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
    if (this.#state !== "open") return Promise.reject(this.#gone());
    const { length } = packet;
    this.#unsentBytes += length;
    // Failures reach `done` by the call's own events.
    this.#call.write(packet, () => this.#sent(length));
    if (this.#unsentBytes <= SEND_HIGH_BYTES) return Promise.resolve();
    return new Promise((resolve, reject) =>
      this.#senders.push({ resolve, reject })
    );
  }

  close(reason: string): void {
    if (this.#state !== "open") return;
    this.#received = [];
    this.#beginClosing(reason);
    this.#call.resume();
  }

  /** The peer sends no more: what it has sent can still be read, nothing can be sent. */
  peerClosed(reason: string): void {
    if (this.#state === "open") this.#beginClosing(reason);
  }

  /** The call is over; may be called twice. After `close` the reason given there stays. */
  done(end: LinkEnd): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    clearTimeout(this.#graceTimer);
    this.#closeReason ??= end;
    this.#ended.resolve(this.#closeReason);
    this.#wakeReader?.();
    this.#failSenders();
  }

  #beginClosing(reason: string): void {
    this.#state = "closing";
    this.#closeReason = { reason };
    this.#wakeReader?.();
    this.#failSenders();
    this.#call.end();
    this.#graceTimer = setTimeout(() => {
      this.#destroy();
      this.done({ reason });
    }, CLOSE_GRACE_MS);
  }

  #sent(length: number): void {
    this.#unsentBytes -= length;
    if (this.#unsentBytes <= SEND_HIGH_BYTES) {
      const senders = this.#senders;
      this.#senders = [];
      for (const sender of senders) sender.resolve();
    }
  }

  #failSenders(): void {
    const senders = this.#senders;
    this.#senders = [];
    for (const sender of senders) sender.reject(this.#gone());
  }

  #gone(): AranyaError {
    return new AranyaError(
      "unavailable",
      `Cannot send packet to ${this.peer}: the link has ended: ${
        this.#closeReason?.reason ?? ""
      }`,
      { cause: this.#closeReason?.error },
    );
  }

  #receive(packet: Uint8Array): void {
    if (this.#state !== "open") return;
    this.#received.push(packet);
    this.#receivedBytes += packet.length;
    if (this.#receivedBytes >= READ_HIGH_BYTES) this.#call.pause();
    this.#wakeReader?.();
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    for (;;) {
      const packet = this.#received.shift();
      if (packet) {
        const before = this.#receivedBytes;
        this.#receivedBytes -= packet.length;
        if (before >= READ_LOW_BYTES && this.#receivedBytes < READ_LOW_BYTES) {
          this.#call.resume();
        }
        return { done: false, value: packet };
      }
      if (this.#state !== "open") return { done: true, value: undefined };
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
      this.#wakeReader = undefined;
    }
  }
}
