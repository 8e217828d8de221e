// SPDX-License-Identifier: Apache-2.0
/** A link in memory, with rate, latency and faults as a test wants them. */
import { AranyaError, type Clock } from "../../../../lib/shared/base/mod.ts";
import type { Link, LinkEnd } from "../../../../lib/shared/link/mod.ts";
import { Pipe } from "../../../../dev/base/pipe.ts";

export interface MemoryLinkOptions {
  clock: Clock;
  /** Of each direction. @default no limit */
  bytesPerSecond?: number;
  /** One way. @default 0 */
  latencyMs?: number;
  /** Bytes that a direction buffers before `send` waits. @default 65536 */
  bufferBytes?: number;
  /** @default 1 MiB */
  maxPacketBytes?: number;
  /** Returns whether a packet is delivered twice. @default never */
  duplicate?: (packet: Uint8Array) => boolean;
  /** Called with every packet that is sent; may cut the link. */
  onPacket?: (from: "operator" | "agent", packet: Uint8Array) => void;
}

export interface MemoryLinks {
  operator: Link;
  agent: Link;
  /** Breaks the link: both ends are notified, packets in flight are lost. */
  cut(): void;
  /** Drops all packets from now on, without notice. With `block`, `send` never returns. */
  swallow(options?: { block?: boolean }): void;
}

/** Makes both ends of a link. */
export function createMemoryLinks(options: MemoryLinkOptions): MemoryLinks {
  const down = new Direction("operator", options);
  const up = new Direction("agent", options);
  const closed = Promise.withResolvers<LinkEnd>();
  let ended = false;
  const end = (reason: LinkEnd) => {
    if (ended) return;
    ended = true;
    down.stop();
    up.stop();
    closed.resolve(reason);
  };
  const makeEnd = (out: Direction, into: Direction, peer: string): Link => ({
    peer,
    maxPacketBytes: options.maxPacketBytes ?? 1024 * 1024,
    send: (packet) => out.send(packet),
    packets: into.packets,
    closed: closed.promise,
    isExclusive: true,
    markAuthenticated() {},
    close: (reason) => end({ reason }),
  });
  return {
    operator: makeEnd(down, up, "agent.test"),
    agent: makeEnd(up, down, "operator.test"),
    cut: () => end({ reason: "cut", error: broken() }),
    swallow: ({ block = false } = {}) => {
      for (const direction of [down, up]) {
        direction.mode = block ? "block" : "swallow";
      }
    },
  };
}

function broken(): AranyaError {
  return new AranyaError("unavailable", "Cannot use link: it was cut");
}

class Direction {
  mode: "deliver" | "swallow" | "block" = "deliver";
  readonly #pipe = new Pipe<Uint8Array>({ capacity: Infinity });
  readonly #from: "operator" | "agent";
  readonly #options: MemoryLinkOptions;
  readonly #stop = new AbortController();
  /** When the last byte will have left. */
  #busyMs = 0;
  #queuedBytes = 0;
  #waiters: (() => void)[] = [];

  constructor(from: "operator" | "agent", options: MemoryLinkOptions) {
    this.#from = from;
    this.#options = options;
  }

  get packets(): AsyncIterable<Uint8Array> {
    return this.#pipe.readable;
  }

  stop(): void {
    this.#stop.abort();
    this.#pipe.end();
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  async send(packet: Uint8Array): Promise<void> {
    const { clock, bufferBytes = 65_536, maxPacketBytes = 1024 * 1024 } =
      this.#options;
    if (this.#stop.signal.aborted) throw broken();
    if (packet.length > maxPacketBytes) {
      throw new AranyaError("too_large", "Cannot send packet: it is too large");
    }
    if (this.mode === "block") await new Promise<void>(() => {});
    if (this.mode === "swallow") return;
    this.#options.onPacket?.(this.#from, packet);
    if (this.#stop.signal.aborted) return;
    const { bytesPerSecond, latencyMs = 0 } = this.#options;
    if (bytesPerSecond === undefined && latencyMs === 0) {
      return this.#deliver(packet);
    }
    const nowMs = clock.monotonicMs();
    this.#busyMs = Math.max(nowMs, this.#busyMs) +
      packet.length * 1_000 / (bytesPerSecond ?? Infinity);
    this.#queuedBytes += packet.length;
    const signal = this.#stop.signal;
    clock.sleep(this.#busyMs - nowMs, { signal }).then(() => {
      this.#queuedBytes -= packet.length;
      for (const resolve of this.#waiters.splice(0)) resolve();
    }, () => {});
    clock.sleep(this.#busyMs + latencyMs - nowMs, { signal }).then(
      () => this.#deliver(packet),
      () => {},
    );
    while (this.#queuedBytes > bufferBytes && !signal.aborted) {
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  #deliver(packet: Uint8Array): void {
    if (this.#stop.signal.aborted || this.mode !== "deliver") return;
    this.#pipe.write(packet).catch(() => {});
    if (this.#options.duplicate?.(packet)) {
      this.#pipe.write(packet).catch(() => {});
    }
  }
}
