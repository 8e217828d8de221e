// SPDX-License-Identifier: Apache-2.0
/** What devices may take of the operator by what they send. */
import {
  BytePace,
  type Clock,
  MEBIBYTE,
  MemoryPool,
  PaceReserve,
} from "../../shared/base/mod.ts";

/** Limits of all devices together; each has a part that the others can't take. */
export interface DeviceLimits {
  /** Memory for requests, and for the responses to them. */
  readonly requests: MemoryPool;
  /** Memory for statuses of pods. */
  readonly statuses: MemoryPool;
  /** Returns the pace at which a device's link control, requests and links are handled. */
  createPace(): BytePace;
  /** Returns the pace at which a device's requests for contents of files are answered. */
  createContentPace(): BytePace;
}

const KIBIBYTE = 1024;
/** A delay ends in time for the next PING. */
const MAX_DELAY_MS = 10_000;

/**
 * Returns the limits for any number of devices. What each is guaranteed is enough for the largest
 * report of an agent, for the statuses of 100 pods, and to report 25 pods at once and 25 in each
 * second after that. Garbage of what is received occupies memory too, until it is collected, which
 * is why the pace has a bound of all devices.
 *
 * Contents of files have a pace of their own: a short request for them makes the operator encode,
 * seal and send up to 2 MiB. The first ones of a device, 68 MiB, are sent at once.
 */
export function createDeviceLimits(
  { clock }: { clock: Pick<Clock, "monotonicMs"> },
): DeviceLimits {
  const reserve = new PaceReserve({
    burstBytes: 2 * MEBIBYTE,
    bytesPerSecond: MEBIBYTE,
    clock,
  });
  const contentReserve = new PaceReserve({
    burstBytes: 256 * MEBIBYTE,
    bytesPerSecond: 16 * MEBIBYTE,
    clock,
  });
  return {
    requests: new MemoryPool({
      guaranteedBytes: 512 * KIBIBYTE,
      reserveBytes: 32 * MEBIBYTE,
    }),
    statuses: new MemoryPool({
      guaranteedBytes: MEBIBYTE,
      reserveBytes: 64 * MEBIBYTE,
    }),
    createPace: () =>
      new BytePace({
        burstBytes: 128 * KIBIBYTE,
        bytesPerSecond: 128 * KIBIBYTE,
        maxReservedBytes: MEBIBYTE,
        reserve,
        maxDelayMs: MAX_DELAY_MS,
        clock,
      }),
    createContentPace: () =>
      new BytePace({
        burstBytes: 4 * MEBIBYTE,
        bytesPerSecond: MEBIBYTE / 2,
        maxReservedBytes: 64 * MEBIBYTE,
        reserve: contentReserve,
        maxDelayMs: MAX_DELAY_MS,
        clock,
      }),
  };
}
