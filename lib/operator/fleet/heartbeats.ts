// SPDX-License-Identifier: Apache-2.0
/** Renews the Leases of living devices: one wheel for all of them, each at its own place, so that renewals are spread out. */
import {
  asAranyaError,
  type Clock,
  type Logger,
} from "../../shared/base/mod.ts";
import {
  type Heartbeats,
  LEASE_NAMESPACE,
  toMicroTime,
} from "../device/mod.ts";
import { type KubeClient, LEASE } from "../kube/mod.ts";

/** Options of {@linkcode createHeartbeats}. */
export interface HeartbeatsOptions {
  client: KubeClient;
  clock: Clock;
  log: Logger;
  /** The Lease is gone. */
  onMissing: (device: string) => void;
  /** Between two renewals of one Lease, in milliseconds. @default 10000 */
  intervalMs?: number;
  /** Places on the wheel. @default 40 */
  slotCount?: number;
  /** Renewals under way at one time. @default 16 */
  concurrency?: number;
}

/** Starts the wheel; dispose it to stop. */
export function createHeartbeats(
  options: HeartbeatsOptions,
): Heartbeats & Disposable {
  const { intervalMs = 10_000, slotCount = 40, concurrency = 16 } = options;
  const slots = Array.from(
    { length: slotCount },
    () => new Map<string, () => boolean>(),
  );
  const places = new Map<string, number>();
  const stop = new AbortController();
  const waiting = new Set<string>();
  let running = 0;
  let now = 0;
  let next = 0;

  const timer = setInterval(() => {
    now = (now + 1) % slotCount;
    for (const [device, isAlive] of slots[now] ?? []) {
      if (isAlive()) waiting.add(device);
    }
    pump();
  }, intervalMs / slotCount);

  function pump(): void {
    for (const device of waiting) {
      if (running >= concurrency || stop.signal.aborted) return;
      waiting.delete(device);
      running++;
      void renew(device).finally(() => {
        running--;
        pump();
      });
    }
  }

  async function renew(device: string): Promise<void> {
    try {
      await options.client.patch(LEASE, {
        namespace: LEASE_NAMESPACE,
        name: device,
      }, {
        body: { spec: { renewTime: toMicroTime(options.clock.wallMs()) } },
        timeoutMs: intervalMs,
        signal: stop.signal,
      });
    } catch (error) {
      if (stop.signal.aborted) return;
      const { code } = asAranyaError(error, "Cannot renew Lease");
      if (code === "not_found") return options.onMissing(device);
      options.log.warn("lease was not renewed", { device, error });
    }
  }

  return {
    watch(device, isAlive) {
      const place = places.get(device) ?? next++ % slotCount;
      places.set(device, place);
      slots[place]?.set(device, isAlive);
    },
    stop(device) {
      const place = places.get(device);
      if (place !== undefined) slots[place]?.delete(device);
      places.delete(device);
      waiting.delete(device);
    },
    [Symbol.dispose]() {
      clearInterval(timer);
      stop.abort();
      waiting.clear();
    },
  };
}
