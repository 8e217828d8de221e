// SPDX-License-Identifier: Apache-2.0
/** Inspected containers, kept from one listing to the next. */
import { hasCode } from "../../shared/base/mod.ts";
import {
  type ContainerInspect,
  type ContainerListItem,
  type DockerClient,
  inspectContainer,
} from "../docker/mod.ts";

/** Containers that are inspected at the same time. */
const CONCURRENCY = 4;

/**
 * Inspects listed containers, each again only when its state has changed or after an event: what is
 * kept under an id and a state doesn't change otherwise. A created container is always inspected,
 * because it gets its error without a change of state.
 */
export class InspectCache {
  readonly #client: DockerClient;
  /** By id and state. */
  #inspects = new Map<string, ContainerInspect>();
  /** Ids of containers to inspect again: the listing still has "running" just after "die". */
  readonly #staleIds = new Set<string>();

  constructor(client: DockerClient) {
    this.#client = client;
  }

  /** Makes the next `inspectAll` inspect this container. */
  invalidate(id: string): void {
    this.#staleIds.add(id);
  }

  /** Makes the next `inspectAll` inspect every container. */
  invalidateAll(): void {
    for (const { Id } of this.#inspects.values()) this.#staleIds.add(Id);
  }

  /**
   * Returns the listed containers without those removed since, and drops all others from the cache.
   */
  async inspectAll(listed: ContainerListItem[]): Promise<ContainerInspect[]> {
    const inspects = new Map<string, ContainerInspect>();
    for (let start = 0; start < listed.length; start += CONCURRENCY) {
      const batch = listed.slice(start, start + CONCURRENCY);
      const found = await Promise.all(batch.map((one) => this.#inspect(one)));
      for (const inspect of found) {
        if (inspect) {
          inspects.set(toKey(inspect.Id, inspect.State.Status), inspect);
        }
      }
    }
    this.#inspects = inspects;
    return [...inspects.values()];
  }

  /** Returns undefined when the container has been removed. */
  async #inspect(
    { Id, State }: ContainerListItem,
  ): Promise<ContainerInspect | undefined> {
    const isStale = this.#staleIds.delete(Id);
    const kept = this.#inspects.get(toKey(Id, State));
    if (kept && !isStale && State !== "created") return kept;
    try {
      return await inspectContainer(this.#client, Id);
    } catch (error) {
      if (hasCode(error, "not_found")) return undefined;
      this.#staleIds.add(Id);
      throw error;
    }
  }
}

function toKey(id: string, state: string): string {
  return `${id} ${state}`;
}
