// SPDX-License-Identifier: Apache-2.0
/** The certificate of the gRPC listener. */
import { type Clock, type Logger, Notifier } from "../shared/base/mod.ts";
import type { GrpcListener, GrpcServerTls } from "../shared/link/mod.ts";
import { hostOf } from "./fleet/mod.ts";
import {
  inspectCertificate,
  issueServerCertificate,
  type KeyPair,
} from "./pki/mod.ts";

/** EdgeDevices that are applied together cause one new certificate. */
const UPDATE_DELAY_MS = 200;
/** Longest time between two checks, whatever the timers do. */
const CHECK_INTERVAL_MS = 3_600_000;
/** Time until a failed renewal is repeated. */
const RETRY_MS = 60_000;
/** Share of its lifetime after which the certificate is renewed. */
const RENEWAL_SHARE = 0.8;

/** What the certificate depends on. */
export interface GrpcTlsSource {
  /** Reads the operator's own CA, which may have been replaced. */
  readAuthority(): Promise<KeyPair>;
  /** Returns the endpoints that EdgeDevices set, "host:port". */
  readEndpoints(): readonly string[];
}

/** Options of {@linkcode GrpcTls}. */
export interface GrpcTlsOptions {
  source: GrpcTlsSource;
  /** Addresses of this host. */
  hostAddresses: readonly string[];
  clock: Clock;
  log: Logger;
}

/** The certificate that was issued last. */
interface Issued {
  tls: GrpcServerTls;
  /** Certificate of the CA that issued it. */
  authority: string;
  /** Names and addresses in it. */
  hosts: ReadonlySet<string>;
  /** When to renew it, in milliseconds since 1970. */
  renewalMs: number;
}

/**
 * Issues the listener's certificate from the operator's CA, for this host and every name that
 * devices dial. Replaces it when four fifths of its lifetime have passed, when an EdgeDevice brings
 * another name, and when the CA was replaced.
 */
export class GrpcTls {
  readonly #options: GrpcTlsOptions;
  readonly #changed = new Notifier();
  #issued: Issued | undefined;

  constructor(options: GrpcTlsOptions) {
    this.#options = options;
  }

  /**
   * Returns a certificate for what is known now.
   * @throws {AranyaError} when the CA can't be used
   */
  async issue(): Promise<GrpcServerTls> {
    const { source } = this.#options;
    return (await this.#renew(await source.readAuthority())).tls;
  }

  /** Has the certificate checked soon; calls in a burst count as one. */
  notifyChange(): void {
    this.#changed.notify();
  }

  /**
   * Keeps the listener's certificate current until the signal is aborted. Failures are logged and
   * retried.
   * @throws the signal's reason
   */
  async run(
    listener: Pick<GrpcListener, "setTls">,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, log } = this.#options;
    let delayMs = this.#untilRenewalMs();
    for (;;) {
      await this.#waitForChange(delayMs, signal);
      try {
        await this.#check(listener);
        delayMs = this.#untilRenewalMs();
      } catch (error) {
        log.error("certificate of the gRPC listener was not renewed", {
          error,
        });
        delayMs = RETRY_MS;
        await clock.sleep(UPDATE_DELAY_MS, { signal });
      }
    }
  }

  /** Resolves shortly after a change, or after the delay. */
  async #waitForChange(delayMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const waited = new AbortController();
    const both = AbortSignal.any([signal, waited.signal]);
    try {
      await Promise.race([
        this.#changed.wait(both).then(() =>
          clock.sleep(UPDATE_DELAY_MS, { signal: both })
        ),
        clock.sleep(delayMs, { signal: both }),
      ]);
    } finally {
      waited.abort();
    }
  }

  async #check(listener: Pick<GrpcListener, "setTls">): Promise<void> {
    const { source, clock } = this.#options;
    const authority = await source.readAuthority();
    const issued = this.#issued;
    const isCurrent = issued?.authority === authority.cert &&
      clock.wallMs() < issued.renewalMs &&
      source.readEndpoints().every((endpoint) =>
        issued.hosts.has(hostOf(endpoint))
      );
    if (!isCurrent) listener.setTls((await this.#renew(authority)).tls);
  }

  async #renew(authority: KeyPair): Promise<Issued> {
    const { source, hostAddresses, clock } = this.#options;
    const hosts = new Set([
      ...hostAddresses,
      ...source.readEndpoints().map(hostOf),
      "127.0.0.1",
      "localhost",
    ]);
    const tls = await issueServerCertificate({
      authority,
      commonName: "aranya operator",
      ips: [...hosts].filter(isAddress),
      dnsNames: [...hosts].filter((host) => !isAddress(host)),
      nowMs: clock.wallMs(),
    });
    const { notAfterMs } = await inspectCertificate(tls.cert);
    // Not from `notBefore`, which is backdated.
    const lifetimeMs = notAfterMs - clock.wallMs();
    const renewalMs = clock.wallMs() + RENEWAL_SHARE * lifetimeMs;
    this.#issued = { tls, authority: authority.cert, hosts, renewalMs };
    return this.#issued;
  }

  #untilRenewalMs(): number {
    const { clock } = this.#options;
    const untilMs = (this.#issued?.renewalMs ?? 0) - clock.wallMs();
    return Math.min(Math.max(untilMs, UPDATE_DELAY_MS), CHECK_INTERVAL_MS);
  }
}

function isAddress(host: string): boolean {
  return /^[0-9.]+$/.test(host) || host.includes(":");
}
