// SPDX-License-Identifier: Apache-2.0
/** The condition NetworkUnavailable of a Node, which a cloud's route controller writes too. */
import { type Backoff, createBackoff } from "../../shared/base/mod.ts";
import type { Node, NodeCondition } from "../kube/mod.ts";

/**
 * Pods have the network of their device. Without this a cloud's route controller would keep the
 * Node tainted, because it can make no route to the pod range.
 */
export const NETWORK_CONDITION: NodeCondition = {
  type: "NetworkUnavailable",
  status: "False",
  reason: "DeviceNetwork",
  message: "pods have the network of their device",
};

/** A condition that no other client set for this long is cleared without delay again. */
const STABLE_MS = 1_800_000;

/** Returns whether another client has set that the Node has no network, or that it is unknown. */
export function isNetworkUnavailable(node: Node): boolean {
  return node.status?.conditions?.some(({ type, status }) =>
    type === NETWORK_CONDITION.type && status !== NETWORK_CONDITION.status
  ) ?? false;
}

/**
 * Limits how often the condition of one Node is cleared, with growing delays: another client that
 * answers each change by setting it again would cause writes without end.
 */
export class NetworkConditionLimit {
  readonly #backoff: Backoff = createBackoff({
    initialDelayMs: 10_000,
    maxDelayMs: 600_000,
  });
  #clearedMs = -Infinity;
  #delayMs = 0;

  /**
   * Returns how long the condition must be left as it is, in milliseconds; 0: it may be cleared.
   * @param nowMs monotonic time
   */
  delayMs(nowMs: number): number {
    return Math.max(0, this.#clearedMs + this.#delayMs - nowMs);
  }

  /**
   * Records that the condition was cleared.
   * @param nowMs monotonic time
   */
  recordCleared(nowMs: number): void {
    if (nowMs - this.#clearedMs > STABLE_MS) this.#backoff.reset();
    this.#clearedMs = nowMs;
    this.#delayMs = this.#backoff.next();
  }
}
