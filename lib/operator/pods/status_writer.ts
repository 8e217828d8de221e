// SPDX-License-Identifier: Apache-2.0
/** Writes statuses of pods to the API server. */
import { type Clock, hasCode } from "../../shared/base/mod.ts";
import { fromKey, keyOf, POD, type Pod } from "../kube/mod.ts";
import { type PodStatusInput, toStatusPatch } from "../podspec/mod.ts";
import type { PodClient } from "./pod_client.ts";

/**
 * Patches statuses of pods where they differ. Remembers what each write returned until the informer
 * has caught up, because a `startTime` or transition time derived from an outdated copy would be
 * set a second time.
 */
export class PodStatusWriter {
  readonly #client: Pick<PodClient, "patch">;
  readonly #clock: Clock;
  /** The pod as the last write returned it, by UID. */
  readonly #written = new Map<string, Pod>();

  constructor(client: Pick<PodClient, "patch">, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /**
   * Returns the newer one of the informer's copy and what the last write returned, which is dropped
   * when the informer has caught up.
   */
  latest(pod: Pod): Pod {
    const { uid = "", resourceVersion } = pod.metadata;
    const written = this.#written.get(uid);
    if (!written) return pod;
    if (isNewer(written.metadata.resourceVersion, resourceVersion)) {
      return written;
    }
    this.#written.delete(uid);
    return pod;
  }

  /**
   * Writes what differs. Returns false when nothing could be written, because the pod was deleted,
   * replaced by another one of its name, or is being changed by others.
   */
  async write(
    input: Omit<PodStatusInput, "nowMs">,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { pod } = input;
    const body = toStatusPatch({ ...input, nowMs: this.#clock.wallMs() });
    if (!body) return true;
    try {
      const written = await this.#client.patch(POD, fromKey(keyOf(pod)), {
        subresource: "status",
        kind: "strategic",
        body,
        signal,
      });
      this.#written.set(pod.metadata.uid ?? "", written);
      return true;
    } catch (error) {
      if (!hasCode(error, "not_found", "conflict")) throw error;
      return false;
    }
  }

  /** Drops what is remembered of a deleted pod. */
  delete(uid: string): void {
    this.#written.delete(uid);
  }
}

/**
 * Compares resource versions, which rise like decimal numbers for objects of one kind. Others are
 * never newer.
 */
function isNewer(version = "", other = ""): boolean {
  const isNumber = /^\d+$/;
  return isNumber.test(version) && isNumber.test(other) &&
    BigInt(version) > BigInt(other);
}
