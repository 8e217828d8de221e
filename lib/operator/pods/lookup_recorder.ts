// SPDX-License-Identifier: Apache-2.0
/** Finds out whether the inputs of a translation are still the same. */
import { isDeepStrictEqual } from "node:util";
import type { ConfigMap, Secret, Service } from "../kube/mod.ts";
import type {
  Allocatable,
  PodDns,
  PodLookups,
  PodToken,
  ProjectedToken,
} from "../podspec/mod.ts";

/** What a read returned, or the text of what it threw. */
type Outcome = { value: unknown } | { error: string };

interface RecordedRead {
  read: () => unknown;
  outcome: Outcome;
}

/**
 * Passes lookups on and records what they return, so that {@linkcode isCurrent} can check later
 * whether a translation made with them would still have the same result. Precise, without any
 * knowledge of what a translation reads: what was not read doesn't count.
 */
export class LookupRecorder implements PodLookups {
  readonly #lookups: PodLookups;
  readonly #reads = new Map<string, RecordedRead>();

  constructor(lookups: PodLookups) {
    this.#lookups = lookups;
  }

  /**
   * Returns whether every recorded read has the same outcome now. Cheap while nothing has changed:
   * informers return the same objects, which are not compared any deeper.
   */
  isCurrent(): boolean {
    return [...this.#reads.values()].every(({ read, outcome }) =>
      isDeepStrictEqual(attempt(read), outcome)
    );
  }

  findConfigMap(namespace: string, name: string): ConfigMap | undefined {
    return this.#record(
      `ConfigMap/${namespace}/${name}`,
      () => this.#lookups.findConfigMap(namespace, name),
    );
  }

  findSecret(namespace: string, name: string): Secret | undefined {
    return this.#record(
      `Secret/${namespace}/${name}`,
      () => this.#lookups.findSecret(namespace, name),
    );
  }

  listServices(namespace: string): readonly Service[] {
    return this.#record(
      `Services/${namespace}`,
      () => this.#lookups.listServices(namespace),
    );
  }

  findToken(request: ProjectedToken): PodToken | { missing: string } {
    return this.#record(
      `token/${request.audience}/${request.expirationSeconds}`,
      () => this.#lookups.findToken(request),
    );
  }

  get allocatable(): Allocatable {
    const record = (key: keyof Allocatable) =>
      this.#record(key, () => this.#lookups.allocatable[key]);
    return {
      get cpuMillis() {
        return record("cpuMillis");
      },
      get memoryBytes() {
        return record("memoryBytes");
      },
    };
  }

  get dns(): PodDns | undefined {
    return this.#record("dns", () => this.#lookups.dns);
  }

  #record<T>(key: string, read: () => T): T {
    try {
      const value = read();
      this.#reads.set(key, { read, outcome: { value } });
      return value;
    } catch (error) {
      this.#reads.set(key, { read, outcome: { error: String(error) } });
      throw error;
    }
  }
}

function attempt(read: () => unknown): Outcome {
  try {
    return { value: read() };
  } catch (error) {
    return { error: String(error) };
  }
}
