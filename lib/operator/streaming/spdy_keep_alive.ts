// SPDX-License-Identifier: Apache-2.0
/** Detection of SPDY peers that are idle or dead. */

/** The connection that {@linkcode SpdyKeepAlive} watches. */
export interface KeepAliveTarget {
  /** Whether the socket is not being read. */
  readonly isReadingPaused: boolean;
  /** Sends a PING; writing to the socket of a dead peer makes it fail. */
  sendPing(id: number): void;
  /** Is called once no data was sent or received for the idle time-out. */
  onIdle(): void;
}

/** Options of {@linkcode SpdyKeepAlive}. */
export interface SpdyKeepAliveOptions {
  /** Time between two checks, in milliseconds. @default 5000 */
  pingIntervalMs?: number | undefined;
  /** In milliseconds. @default 4 hours, as of the kubelet */
  idleTimeoutMs?: number | undefined;
}

const PING_INTERVAL_MS = 5_000;
const IDLE_TIMEOUT_MS = 4 * 60 * 60 * 1000;
/** A socket that is read reports by itself that it was closed, so it needs fewer pings. */
const TICKS_PER_PING = 6;

/**
 * Pings the peer, and reports when the connection is idle. While reading is paused a PING is sent
 * at every check, because then only a failed write shows that the peer is dead; else at every
 * sixth.
 */
export class SpdyKeepAlive implements Disposable {
  readonly #target: KeepAliveTarget;
  readonly #idleTimeoutMs: number;
  readonly #timer: ReturnType<typeof setInterval>;
  #nextPingId = 2;
  #tickCount = 0;
  #lastDataMs = performance.now();

  /** Starts the checks. */
  constructor(target: KeepAliveTarget, options: SpdyKeepAliveOptions = {}) {
    this.#target = target;
    this.#idleTimeoutMs = options.idleTimeoutMs ?? IDLE_TIMEOUT_MS;
    this.#timer = setInterval(
      () => this.#check(),
      options.pingIntervalMs ?? PING_INTERVAL_MS,
    );
  }

  /** Restarts the idle time-out: data was sent or received. */
  noteData(): void {
    this.#lastDataMs = performance.now();
  }

  /** Stops the checks. May be called twice. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #check(): void {
    if (performance.now() - this.#lastDataMs > this.#idleTimeoutMs) {
      this.#target.onIdle();
      return;
    }
    if (
      !this.#target.isReadingPaused && ++this.#tickCount % TICKS_PER_PING !== 0
    ) return;
    this.#target.sendPing(this.#nextPingId);
    // Pings of a server have even ids.
    this.#nextPingId = this.#nextPingId % 0x7fff_fffe + 2;
  }
}
