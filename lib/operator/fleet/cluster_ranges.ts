// SPDX-License-Identifier: Apache-2.0
/** Follows the pod ranges of the cluster's ordinary nodes. */
import {
  asAranyaError,
  type Clock,
  type Logger,
} from "../../shared/base/mod.ts";
import { ROLE, ROLE_LABEL } from "../device/mod.ts";
import { type KubeClient, NODE } from "../kube/mod.ts";
import type { PodAddressBook } from "./address_book.ts";

/** Options of {@linkcode ClusterRanges}. */
export interface ClusterRangesOptions {
  client: KubeClient;
  /** Receives the ranges, with owners such as "node worker-1". */
  book: Pick<PodAddressBook, "setForeignRange">;
  log: Logger;
  clock: Clock;
  /** Time between two reads, in milliseconds. @default 600000 */
  intervalMs?: number;
}

const PAGE_SIZE = 500;

/**
 * Copies the pod ranges of Nodes that are no devices into an address book. They are listed from
 * time to time rather than watched: ordinary nodes are many, large, and rarely change their range.
 */
export class ClusterRanges {
  readonly #options: ClusterRangesOptions;
  /** Owners that the last read found. */
  #owners = new Set<string>();
  #hasWarned = false;

  constructor(options: ClusterRangesOptions) {
    this.#options = options;
  }

  /**
   * Reads the ranges once. A failure is only logged: without them ranges are picked all the same.
   * @throws the signal's reason when it is aborted
   */
  async refresh(signal: AbortSignal): Promise<void> {
    try {
      await this.#read(signal);
    } catch (error) {
      signal.throwIfAborted();
      this.#options.log.warn(
        "pod ranges of nodes were not read, ranges of devices may overlap them",
        { error: asAranyaError(error, "Cannot read pod ranges of nodes") },
      );
    }
  }

  /** Calls `refresh` once per interval. @throws the signal's reason when it is aborted */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, intervalMs = 600_000 } = this.#options;
    for (;;) {
      await clock.sleep(intervalMs, { signal });
      await this.refresh(signal);
    }
  }

  /** Warns, the first time only, that the cluster assigns pod CIDRs to nodes. */
  warnOfNodeCidrs(): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#options.log.warn(
      "cluster assigns pod CIDRs to nodes; nodes beyond its range stay without network",
    );
  }

  async #read(signal: AbortSignal): Promise<void> {
    const { client, book } = this.#options;
    const found = new Set<string>();
    let page: string | undefined;
    do {
      const { items, metadata } = await client.list(NODE, {
        labelSelector: `${ROLE_LABEL}!=${ROLE}`,
        limit: PAGE_SIZE,
        // "0" reads the API server's watch cache. It may be stale, which the next read mends.
        ...(page === undefined ? { resourceVersion: "0" } : { continue: page }),
        signal,
      });
      for (const { metadata: { name }, spec } of items) {
        const cidrs = spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : []);
        for (const [index, cidr] of cidrs.entries()) {
          const owner = `node ${name}${index === 0 ? "" : ` (${index + 1})`}`;
          found.add(owner);
          book.setForeignRange(owner, cidr);
        }
      }
      page = metadata.continue;
    } while (page !== undefined && page !== "");
    for (const owner of this.#owners) {
      if (!found.has(owner)) book.setForeignRange(owner, undefined);
    }
    this.#owners = found;
    if (found.size > 0) this.warnOfNodeCidrs();
  }
}
