// SPDX-License-Identifier: Apache-2.0
/** The certificate of the gRPC listener. */
import type { Clock, Logger } from "../shared/base/mod.ts";
import type { GrpcListener, GrpcServerTls } from "../shared/link/mod.ts";
import { hostOf } from "./fleet/mod.ts";
import { issueServerCertificate, type KeyPair } from "./pki/mod.ts";

/** EdgeDevices that are applied together cause one new certificate. */
const UPDATE_DELAY_MS = 200;

/** Options of {@linkcode GrpcTls}. */
export interface GrpcTlsOptions {
  /** The operator's own CA. */
  authority: KeyPair;
  /** Addresses of this host. */
  hostAddresses: readonly string[];
  clock: Clock;
  log: Logger;
  /** Ends pending updates. */
  signal: AbortSignal;
}

/**
 * Issues the listener's certificate from the operator's CA, for this host and every name that
 * devices dial, and again when an EdgeDevice brings another name.
 */
export class GrpcTls {
  readonly #options: GrpcTlsOptions;
  /** Names and addresses in the certificate that was issued last. */
  #hosts: ReadonlySet<string> = new Set();
  #updating: Promise<void> = Promise.resolve();
  #isUpdateScheduled = false;

  constructor(options: GrpcTlsOptions) {
    this.#options = options;
  }

  /** Issues a certificate for this host and the hosts of these endpoints. */
  async issue(endpoints: readonly string[]): Promise<GrpcServerTls> {
    const { authority, hostAddresses } = this.#options;
    const hosts = new Set([
      ...hostAddresses,
      ...endpoints.map(hostOf),
      "127.0.0.1",
      "localhost",
    ]);
    const tls = await issueServerCertificate({
      authority,
      commonName: "aranya operator",
      ips: [...hosts].filter(isAddress),
      dnsNames: [...hosts].filter((host) => !isAddress(host)),
    });
    this.#hosts = hosts;
    return tls;
  }

  /**
   * Soon compares the certificate with the endpoints of the devices, and replaces it when it lacks
   * one. Returns at once; calls in a burst count as one, and updates never overlap.
   */
  scheduleUpdate(
    listener: Pick<GrpcListener, "setTls">,
    readEndpoints: () => readonly string[],
  ): void {
    if (this.#isUpdateScheduled) return;
    this.#isUpdateScheduled = true;
    const { clock, log, signal } = this.#options;
    this.#updating = this.#updating.then(async () => {
      await clock.sleep(UPDATE_DELAY_MS, { signal });
      this.#isUpdateScheduled = false;
      const endpoints = readEndpoints();
      if (endpoints.every((endpoint) => this.#hosts.has(hostOf(endpoint)))) {
        return;
      }
      listener.setTls(await this.issue(endpoints));
    }).catch((error) => {
      this.#isUpdateScheduled = false;
      if (signal.aborted) return;
      log.error("certificate of the gRPC listener was not renewed", { error });
    });
  }
}

function isAddress(host: string): boolean {
  return /^[0-9.]+$/.test(host) || host.includes(":");
}
