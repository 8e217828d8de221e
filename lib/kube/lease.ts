// SPDX-License-Identifier: Apache-2.0
/** One leader among several processes, by a coordination Lease. */
import type { Clock, Logger } from "../base/mod.ts";
import type { KubeClient } from "./api.ts";

/** Options of {@linkcode waitForLeadership}. */
export interface LeaderElectionOptions {
  client: KubeClient;
  namespace: string;
  /** Name of the Lease. */
  name: string;
  /** Who we are; another one in every process. */
  identity: string;
  log: Logger;
  /** How long a leader stays one without renewing, in milliseconds. @default 15000 */
  leaseDurationMs?: number;
  /** A leader that could not renew for this long gives up, in milliseconds. @default 10000 */
  renewDeadlineMs?: number;
  /** Between tries, in milliseconds. @default 2000 */
  retryPeriodMs?: number;
  clock?: Clock;
}

/** Leadership, once it has been won. */
export interface Leadership extends AsyncDisposable {
  /** Aborted when leadership was lost: stop writing at once. */
  readonly lost: AbortSignal;
  /** Gives it up so that the next one need not wait; also what disposing does. */
  release(): Promise<void>;
}

/**
 * Waits until we lead, then keeps renewing. Never gives up for errors of the API server: they are logged and retried.
 * @throws the signal's reason when it is aborted while waiting
 */
export function waitForLeadership(
  _options: LeaderElectionOptions & { signal: AbortSignal },
): Promise<Leadership> {
  throw new TypeError("Cannot wait for leadership: not built yet");
}
