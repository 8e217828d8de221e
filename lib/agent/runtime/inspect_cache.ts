// SPDX-License-Identifier: Apache-2.0
/** Inspected containers, kept from one listing to the next. */
import {
  type AranyaError,
  asAranyaError,
  hasCode,
  type Logger,
  Sequencer,
} from "../../shared/base/mod.ts";
import {
  type ContainerInspect,
  type ContainerListItem,
  type DockerClient,
  inspectContainer,
} from "../docker/mod.ts";

/** Containers that are inspected at the same time. */
const CONCURRENCY = 4;
/** Exit code that a kubelet reports when it can't determine it (ContainerStatusUnknown). */
const UNKNOWN_EXIT_CODE = 137;
const SEQUENCE = "inspect";

/**
 * Inspects listed containers, each again only when its state has changed or after an event: what is
 * kept under an id and a state doesn't change otherwise. A created container is always inspected,
 * because it gets its error without a change of state.
 *
 * A container that the engine can't inspect is returned as its listing has it, so that it doesn't
 * keep the others from being seen. An unclean power-off causes that with some storage drivers.
 */
export class InspectCache {
  readonly #client: DockerClient;
  readonly #log: Logger;
  /** By id and state. */
  #inspects = new Map<string, ContainerInspect>();
  /** Ids of containers to inspect again: the listing still has "running" just after "die". */
  readonly #staleIds = new Set<string>();
  /** Ids of containers whose failure was logged. */
  readonly #failedIds = new Set<string>();
  /** Concurrent calls would take each other's stale ids. */
  readonly #calls = new Sequencer();

  constructor(options: { client: DockerClient; log: Logger }) {
    this.#client = options.client;
    this.#log = options.log;
  }

  /** Number of ids that the next `inspectAll` inspects again. */
  get staleCount(): number {
    return this.#staleIds.size;
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
   * @throws {AranyaError} code "unavailable" or "timed_out" when the engine doesn't answer
   */
  inspectAll(listed: ContainerListItem[]): Promise<ContainerInspect[]> {
    return this.#calls.run(SEQUENCE, () => this.#inspectAll(listed));
  }

  async #inspectAll(listed: ContainerListItem[]): Promise<ContainerInspect[]> {
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
    // What is not listed is not kept either, and will be inspected if it is listed later.
    const listedIds = new Set(listed.map(({ Id }) => Id));
    for (const ids of [this.#staleIds, this.#failedIds]) {
      for (const id of ids) if (!listedIds.has(id)) ids.delete(id);
    }
    return [...inspects.values()];
  }

  /** Returns undefined when the container has been removed. */
  async #inspect(
    item: ContainerListItem,
  ): Promise<ContainerInspect | undefined> {
    const { Id, State } = item;
    const isStale = this.#staleIds.delete(Id);
    const kept = this.#inspects.get(toKey(Id, State));
    if (kept && !isStale && State !== "created") return kept;
    try {
      const inspect = await inspectContainer(this.#client, Id);
      this.#failedIds.delete(Id);
      return inspect;
    } catch (error) {
      if (hasCode(error, "not_found")) return undefined;
      this.#staleIds.add(Id);
      const failure = asAranyaError(error, `Cannot inspect container ${Id}`);
      if (isEngineFailure(failure)) throw failure;
      this.#logFailure(Id, failure);
      return kept ?? toUnknown(item, failure);
    }
  }

  /** Logs the first of a container's failures in a row. */
  #logFailure(id: string, error: AranyaError): void {
    if (this.#failedIds.has(id)) return;
    this.#failedIds.add(id);
    this.#log.warn("container can't be inspected, using its listing", {
      container: id,
      error,
    });
  }
}

/** Returns whether no container can be inspected now. */
function isEngineFailure({ code }: AranyaError): boolean {
  return code === "unavailable" || code === "timed_out";
}

/** Returns what is known of a container that can't be inspected. */
function toUnknown(
  { Id, State, Labels }: ContainerListItem,
  { message }: AranyaError,
): ContainerInspect {
  return {
    Id,
    Created: "",
    Image: "",
    State: {
      Status: State,
      Running: State === "running",
      OOMKilled: false,
      ExitCode: UNKNOWN_EXIT_CODE,
      Error: message,
      StartedAt: "",
      FinishedAt: "",
    },
    Config: { Image: "", Tty: false, OpenStdin: false, Labels },
    HostConfig: { NetworkMode: "" },
    NetworkSettings: { Networks: null },
  };
}

function toKey(id: string, state: string): string {
  return `${id} ${state}`;
}
