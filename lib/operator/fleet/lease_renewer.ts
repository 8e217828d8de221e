// SPDX-License-Identifier: Apache-2.0
/** Heartbeats of the devices' Nodes. */
import {
  type Clock,
  hasCode,
  type Logger,
  toRfc3339Micro,
} from "../../shared/base/mod.ts";
import { LEASE_NAMESPACE } from "../device/mod.ts";
import {
  type KubeClient,
  type Leadership,
  LEASE,
  LEASE_CONNECTION_COUNT,
} from "../kube/mod.ts";

/** Options of {@linkcode LeaseRenewer}. */
export interface LeaseRenewerOptions {
  client: Pick<KubeClient, "patch">;
  /** No Lease is renewed while it is suspended; all are as soon as it is not. */
  leadership: Pick<Leadership, "isSuspended">;
  clock: Clock;
  log: Logger;
  /**
   * Time between two renewals of one Lease, in milliseconds; a kubelet takes as long.
   * @default 10000
   */
  intervalMs?: number;
  /** Number of slots that an interval is divided into. @default 40 */
  slotCount?: number;
  /** Highest number of renewals at the same time. @default {@linkcode LEASE_CONNECTION_COUNT} */
  concurrency?: number;
}

/** A renewal that failed is repeated after this time. */
const RETRY_MS = 1000;
/** Time between two checks whether a device is alive that was not when its turn came. */
const CHECK_MS = 1000;
/** One line for all renewals that fail within this time: an outage fails those of all devices. */
const LOG_INTERVAL_MS = 10_000;

/**
 * Renews the Leases of connected devices, each once per interval, as a kubelet does for its node.
 *
 * A timer wheel: each device has a slot, and one timer goes through the slots, so that the requests
 * of thousands of devices are spread over the interval. A device that has become alive does not
 * wait for its turn: when several leaders follow each other quickly, a Lease would otherwise lapse
 * although each of them serves the device. Starts when it is constructed; dispose it to stop.
 */
export class LeaseRenewer implements Disposable {
  readonly #options: LeaseRenewerOptions;
  readonly #intervalMs: number;
  readonly #concurrency: number;
  /** For each slot the devices in it, and whether they are alive now. */
  readonly #slots: Map<string, () => boolean>[];
  readonly #slotOf = new Map<string, number>();
  /** Devices whose turn has come, in order. */
  readonly #due = new Set<string>();
  /** Devices that were not alive when they were looked at last, or were just added. */
  readonly #waiting = new Set<string>();
  #checkedMs = -Infinity;
  /** Devices whose last renewal has failed. */
  readonly #failed = new Set<string>();
  #failedMs = -Infinity;
  #failureCount = 0;
  #loggedMs = -Infinity;
  readonly #stop = new AbortController();
  readonly #timer: ReturnType<typeof setInterval>;
  #runningCount = 0;
  #currentSlot = 0;
  #nextSlot = 0;

  constructor(options: LeaseRenewerOptions) {
    const {
      intervalMs = 10_000,
      slotCount = 40,
      concurrency = LEASE_CONNECTION_COUNT,
    } = options;
    this.#options = options;
    this.#intervalMs = intervalMs;
    this.#concurrency = concurrency;
    this.#slots = Array.from({ length: slotCount }, () => new Map());
    this.#timer = setInterval(
      () => this.#advance(),
      intervalMs / slotCount,
    );
  }

  /** Renews the device's Lease while `isAlive` returns true. May be called again for a device. */
  start(device: string, isAlive: () => boolean): void {
    const slot = this.#slotOf.get(device) ??
      this.#nextSlot++ % this.#slots.length;
    this.#slotOf.set(device, slot);
    this.#slots[slot]?.set(device, isAlive);
    this.#waiting.add(device);
  }

  /** Renews the device's Lease no longer. May be called twice. */
  stop(device: string): void {
    const slot = this.#slotOf.get(device);
    if (slot !== undefined) this.#slots[slot]?.delete(device);
    this.#slotOf.delete(device);
    this.#due.delete(device);
    this.#waiting.delete(device);
    this.#failed.delete(device);
  }

  /** Stops the wheel; renewals that are under way are aborted. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#stop.abort();
    this.#due.clear();
  }

  #advance(): void {
    this.#currentSlot = (this.#currentSlot + 1) % this.#slots.length;
    for (const device of this.#slots[this.#currentSlot]?.keys() ?? []) {
      this.#due.add(device);
    }
    const { leadership, clock } = this.#options;
    if (leadership.isSuspended) return;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#failedMs >= RETRY_MS) {
      for (const device of this.#failed) this.#due.add(device);
      this.#failed.clear();
    }
    if (nowMs - this.#checkedMs >= CHECK_MS) {
      this.#checkedMs = nowMs;
      for (const device of this.#waiting) {
        if (this.#isAlive(device)) this.#due.add(device);
      }
    }
    this.#startRenewals();
  }

  #startRenewals(): void {
    for (const device of this.#due) {
      if (
        this.#runningCount >= this.#concurrency || this.#stop.signal.aborted
      ) return;
      this.#due.delete(device);
      if (!this.#isAlive(device)) {
        this.#waiting.add(device);
        continue;
      }
      this.#waiting.delete(device);
      this.#runningCount++;
      void this.#renew(device).finally(() => {
        this.#runningCount--;
        this.#startRenewals();
      });
    }
  }

  #isAlive(device: string): boolean {
    const slot = this.#slotOf.get(device);
    if (slot === undefined) return false;
    return this.#slots[slot]?.get(device)?.() ?? false;
  }

  /** Never rejects. */
  async #renew(device: string): Promise<void> {
    const { client, clock, log } = this.#options;
    const { signal } = this.#stop;
    try {
      await client.patch(LEASE, { namespace: LEASE_NAMESPACE, name: device }, {
        body: { spec: { renewTime: toRfc3339Micro(clock.wallMs()) } },
        timeoutMs: this.#intervalMs,
        signal,
      });
    } catch (error) {
      if (signal.aborted) return;
      // The device's next reconciliation creates it.
      if (hasCode(error, "not_found")) {
        log.debug("lease is missing", { device });
      } else this.#onFailure(device, error);
    }
  }

  #onFailure(device: string, error: unknown): void {
    const { clock, log } = this.#options;
    const nowMs = clock.monotonicMs();
    if (this.#slotOf.has(device)) this.#failed.add(device);
    this.#failedMs = nowMs;
    this.#failureCount++;
    if (nowMs - this.#loggedMs < LOG_INTERVAL_MS) return;
    log.warn("leases were not renewed, will retry", {
      device,
      count: this.#failureCount,
      error,
    });
    this.#loggedMs = nowMs;
    this.#failureCount = 0;
  }
}
