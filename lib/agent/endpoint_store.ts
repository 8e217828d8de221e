// SPDX-License-Identifier: Apache-2.0
/** The endpoints of the operators, and their changes over the link. */
import { fromUtf8, isEndpoint, type Logger, utf8 } from "../shared/base/mod.ts";
import { replaceEndpoints } from "../shared/config/mod.ts";
import type { EndpointUpdates } from "./commands/mod.ts";
import type { ConfigFile } from "./config_file.ts";
import type { StateStore } from "./state/mod.ts";

/** Options of {@linkcode EndpointStore.open}. */
export interface EndpointStoreOptions {
  /** The endpoints in agent.yaml, "host:port". */
  endpoints: readonly string[];
  configFile: ConfigFile;
  /** Remembers what the operator sent. */
  store: Pick<StateStore, "read" | "write">;
  log: Logger;
}

/** Record of what the operator sent. */
const RECORD = { kind: "setting", key: "endpoints" } as const;
/** Bound of what the operator may send. */
const MAX_ENDPOINTS = 32;

/** What the operator sent, as it is stored. */
interface SentEndpoints {
  /** The last list. */
  latest: readonly string[];
  /** Everything in agent.yaml that came from the operator. */
  managed: readonly string[];
}

const NOTHING_SENT: SentEndpoints = { latest: [], managed: [] };

/**
 * The endpoints that the agent tries, in agent.yaml and in memory. The operator may change them,
 * but never so that the device can't be reached any more: what the device's owner has written
 * stays, and so does the endpoint of the present link until another one has worked.
 */
export class EndpointStore implements EndpointUpdates {
  readonly #options: EndpointStoreOptions;
  /** As in agent.yaml. */
  #endpoints: readonly string[];
  #sent: SentEndpoints;
  /** The endpoint that a link was opened on last. */
  #working: string | undefined;

  private constructor(options: EndpointStoreOptions, sent: SentEndpoints) {
    this.#options = options;
    this.#endpoints = options.endpoints;
    this.#sent = sent;
  }

  /** Reads what the operator sent before the start. */
  static async open(options: EndpointStoreOptions): Promise<EndpointStore> {
    return new EndpointStore(
      options,
      parseRecord(await options.store.read(RECORD)),
    );
  }

  /**
   * The endpoints in the order in which to try them: the one that worked last unless the operator
   * has withdrawn it, those of the operator, the owner's, and withdrawn ones last.
   */
  get endpoints(): readonly string[] {
    const { latest, managed } = this.#sent;
    const isWithdrawn = (endpoint: string) =>
      managed.includes(endpoint) && !latest.includes(endpoint);
    const rank = (endpoint: string) =>
      isWithdrawn(endpoint)
        ? 3
        : endpoint === this.#working
        ? 0
        : latest.includes(endpoint)
        ? 1
        : 2;
    return [...this.#endpoints].sort((left, right) => rank(left) - rank(right));
  }

  /** Notes that a link was opened on this endpoint. */
  onConnected(endpoint: string): void {
    this.#working = endpoint;
  }

  /** See {@linkcode EndpointUpdates.update}. */
  async update(received: readonly string[]): Promise<void> {
    const { configFile, store, log } = this.#options;
    const invalid = received.filter((endpoint) => !isEndpoint(endpoint));
    if (invalid.length > 0) {
      log.warn("endpoints that the operator sent are ignored", {
        endpoints: invalid.slice(0, MAX_ENDPOINTS).join(","),
        count: invalid.length,
      });
    }
    const latest = received.filter(isEndpoint).slice(0, MAX_ENDPOINTS);
    if (latest.length === 0) return;
    const { managed } = this.#sent;
    const kept = this.#endpoints.filter((endpoint) =>
      latest.includes(endpoint) || !managed.includes(endpoint) ||
      endpoint === this.#working
    );
    const added = latest.filter((endpoint) => !kept.includes(endpoint));
    const endpoints = [...kept, ...added];
    const sent = {
      latest,
      managed: [...new Set([...managed, ...latest])].filter((endpoint) =>
        endpoints.includes(endpoint)
      ),
    };
    const isSame = JSON.stringify([endpoints, sent]) ===
      JSON.stringify([this.#endpoints, this.#sent]);
    if (isSame) return;
    this.#endpoints = endpoints;
    this.#sent = sent;
    try {
      // First, so that no entry of the operator is taken for the owner's.
      await store.write(RECORD, utf8(JSON.stringify(sent)));
      await configFile.change({
        action: "Cannot change endpoints",
        toText: (text) => replaceEndpoints(text, endpoints),
      });
      log.info("operator endpoints were updated", {
        endpoints: endpoints.join(","),
      });
    } catch (error) {
      log.warn(
        "operator endpoints can't be stored, they are used until the agent stops",
        { endpoints: endpoints.join(","), error },
      );
    }
  }
}

/** Returns the stored record; nothing when there is none or it can't be read. */
function parseRecord(bytes: Uint8Array | undefined): SentEndpoints {
  if (!bytes) return NOTHING_SENT;
  try {
    const { latest, managed } = JSON.parse(fromUtf8(bytes));
    const isList = (value: unknown): value is string[] =>
      Array.isArray(value) && value.every((item) => typeof item === "string");
    return isList(latest) && isList(managed)
      ? { latest, managed }
      : NOTHING_SENT;
  } catch {
    return NOTHING_SENT;
  }
}
