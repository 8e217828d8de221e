// SPDX-License-Identifier: Apache-2.0
/** The period in which a device is connected and takes commands about pods. */
import { type AranyaError, Scope } from "../../shared/base/mod.ts";

/** A connected device that has listed its pods. */
export interface ListedDevice {
  /** Capabilities that the agent announced in its Hello. */
  capabilities: readonly string[];
  /** Aborted when this connection ends. */
  signal: AbortSignal;
}

/** Options of {@linkcode PodConnection.open}. */
export interface OpenConnectionOptions {
  /** Capabilities that the agent announced in its Hello. */
  capabilities: readonly string[];
  /**
   * Lists the device's pods, at once and from time to time; calls `onListed` after each success.
   */
  list(onListed: () => void, signal: AbortSignal): Promise<void>;
  /** Called when `list` rejects before the connection ends. */
  onError(error: unknown): void;
}

interface OpenConnection {
  capabilities: readonly string[];
  scope: Scope;
  isListed: boolean;
}

/**
 * Connection of one device: none, or open; an open one counts as listed once the device's list of
 * pods was received. Before that nobody knows what the device runs, so nothing is sent or
 * terminated.
 */
export class PodConnection {
  #current: OpenConnection | undefined;

  /** The connected device once it has listed its pods; else undefined. */
  get listed(): ListedDevice | undefined {
    if (!this.#current?.isListed) return undefined;
    const { capabilities, scope } = this.#current;
    return { capabilities, signal: scope.signal };
  }

  /** Opens a connection and starts listing. The one before must have been closed. */
  open({ capabilities, list, onError }: OpenConnectionOptions): void {
    const scope = new Scope({ onError });
    const connection = { capabilities, scope, isListed: false };
    this.#current = connection;
    const onListed = () => {
      connection.isListed = true;
    };
    scope.run((signal) => list(onListed, signal));
  }

  /**
   * Ends the connection and what waits for it; resolves when listing has stopped. May be called
   * without one.
   */
  async close(reason: AranyaError): Promise<void> {
    const scope = this.#current?.scope;
    this.#current = undefined;
    await scope?.close(reason);
  }
}
