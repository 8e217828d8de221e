// SPDX-License-Identifier: Apache-2.0
/** The connection of one device, as far as its pods are concerned. */
import {
  type AranyaError,
  type Clock,
  createBackoff,
  type Logger,
  Scope,
} from "../../shared/base/mod.ts";
import type { DevicePods } from "./device_pods.ts";
import type { PodSettings } from "./device_state.ts";

/** A connected device that has listed its pods. */
export interface ListedDevice {
  /** Capabilities that the agent announced in its Hello. */
  capabilities: readonly string[];
  /** Aborted when this connection ends. */
  signal: AbortSignal;
}

/** Options of {@linkcode DeviceConnection}. */
export interface DeviceConnectionOptions {
  devicePods: Pick<DevicePods, "list" | "onDeviceConnected">;
  settings: Pick<PodSettings, "podSyncMs">;
  /** Called after each list with the keys of all pods that were listed before or are now. */
  onListed: (podKeys: readonly string[]) => void;
  log: Logger;
  clock: Clock;
}

interface OpenConnection {
  capabilities: readonly string[];
  scope: Scope;
  isListed: boolean;
}

/** Share of the sync interval that is random, so that devices are not all asked at once. */
const SYNC_SPREAD = 0.2;
const LIST_BACKOFF = { initialDelayMs: 500, maxDelayMs: 15_000, jitter: 0.5 };

/**
 * Lists the pods of a device while it is connected: at once, with retries, and after each sync
 * interval, in case a report was lost. Before the first list it is unknown what the device runs, so
 * that nothing may be sent there or terminated: see {@linkcode listed}.
 */
export class DeviceConnection {
  readonly #options: DeviceConnectionOptions;
  #current: OpenConnection | undefined;

  constructor(options: DeviceConnectionOptions) {
    this.#options = options;
  }

  /** The device while it is connected and has listed its pods; else undefined. */
  get listed(): ListedDevice | undefined {
    if (!this.#current?.isListed) return undefined;
    const { capabilities, scope } = this.#current;
    return { capabilities, signal: scope.signal };
  }

  /** Starts listing over a new link. The connection before must have been closed. */
  open({ capabilities }: { capabilities: readonly string[] }): void {
    const { devicePods, log } = this.#options;
    devicePods.onDeviceConnected();
    const scope = new Scope({
      onError: (error) => log.error("listing of pods failed", { error }),
    });
    const connection = { capabilities, scope, isListed: false };
    this.#current = connection;
    scope.run((signal) => this.#listPeriodically(connection, signal));
  }

  /**
   * Ends the connection, and with it requests that use its signal. Resolves when listing has
   * stopped; at once without a connection.
   */
  async close(reason: AranyaError): Promise<void> {
    const scope = this.#current?.scope;
    this.#current = undefined;
    await scope?.close(reason);
  }

  async #listPeriodically(
    connection: OpenConnection,
    signal: AbortSignal,
  ): Promise<void> {
    const { devicePods, settings, onListed, log, clock } = this.#options;
    const backoff = createBackoff(LIST_BACKOFF);
    for (;;) {
      try {
        const podKeys = await devicePods.list(signal);
        connection.isListed = true;
        onListed(podKeys);
        backoff.reset();
        const delayMs = settings.podSyncMs * (1 - SYNC_SPREAD * Math.random());
        await clock.sleep(delayMs, { signal });
      } catch (error) {
        if (signal.aborted) return;
        log.warn("cannot list the device's pods, will retry", { error });
        await clock.sleep(backoff.next(), { signal });
      }
    }
  }
}
